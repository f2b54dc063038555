/*
 * sudo's stand-in, for one user who is a member of its group (mode 4750): runs a command as root, asks for no password
 * and knows -v and -n alone. SUDO_USER names the caller (sudo(8)). A Mac's group `wheel` is root's here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "-v") == 0) return 0;
  int first = argc > 1 && strcmp(argv[1], "-n") == 0 ? 2 : 1;
  if (first >= argc || argv[first][0] == '-') {
    fprintf(stderr, "sudo: the stand-in knows `sudo -v` and `sudo [-n] COMMAND` alone\n");
    return 1;
  }
  for (char **word = argv + first; *word != NULL; word++)
    if (strcmp(*word, "wheel") == 0) *word = "root";
  struct passwd *caller = getpwuid(getuid());
  if (caller != NULL) setenv("SUDO_USER", caller->pw_name, 1);
  /* Without the set-user-ID bit, where no root has made this program, it runs the command as the caller. */
  if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(0) != 0 || setuid(0) != 0)) {
    fprintf(stderr, "sudo: %s\n", strerror(errno));
    return 1;
  }
  execvp(argv[first], argv + first);
  fprintf(stderr, "sudo: %s: %s\n", argv[first], strerror(errno));
  return 1;
}
