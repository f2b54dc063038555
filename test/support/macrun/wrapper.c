/*
 * launch_socket_server-mac: runs darwin-x64/launch_socket_server beside it by macrun, in the same folder. Sockets that
 * it is handed as systemd hands them over (sd_listen_fds(3)) reach the program by launch_activate_socket() alone: they
 * go into the table of the launchd stand-in (launchd/table.h). A job of that stand-in has its table already.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../launchd/table.h"

enum { FIRST_FROM_SYSTEMD = 3, MAX_SOCKETS = 256, MAX_NAME = 256 };

static _Noreturn void die(const char *what) {
  fprintf(stderr, "macrun: %s: %s\n", what, strerror(errno));
  exit(126);
}

/* The name of each socket; one without a name is `Socket`, as in a plist for this program. */
static void read_names(const char *list, int count, char names[][MAX_NAME]) {
  for (int i = 0; i < count; i++) {
    size_t length = strcspn(list, ":");
    snprintf(names[i], MAX_NAME, "%.*s", (int)length, list);
    if (length == 0 || strcmp(names[i], "unknown") == 0) strcpy(names[i], "Socket");
    list += length + (list[length] == ':');
  }
}

/* Writes the table and arranges the descriptors by it: sockets of the same name follow each other. */
static void hand_over(int count, const char *list) {
  char names[MAX_SOCKETS][MAX_NAME];
  int safe[MAX_SOCKETS], next = FIRST_SOCKET;
  read_names(list, count, names);
  for (int i = 0; i < count; i++) {
    safe[i] = fcntl(FIRST_FROM_SYSTEMD + i, F_DUPFD_CLOEXEC, FIRST_SOCKET + count);
    if (safe[i] == -1) die("LISTEN_FDS names a descriptor that is not open");
  }
  char text[MAX_SOCKETS * (MAX_NAME + 12)];
  size_t length = 0;
  for (int i = 0; i < count; i++) {
    if (names[i][0] == '\0') continue;
    int same = 0;
    for (int k = i; k < count; k++) same += strcmp(names[i], names[k]) == 0;
    length += sprintf(text + length, "%s", names[i]) + 1;
    length += sprintf(text + length, "%d", same) + 1;
    for (int k = i; k < count; k++) {
      if (strcmp(names[i], names[k]) != 0) continue;
      if (dup2(safe[k], next++) == -1) die("cannot arrange the sockets");
      if (k > i) names[k][0] = '\0';
    }
  }
  struct table header = {.magic = TABLE_MAGIC, .pid = getpid(), .sockets = count, .length = length};
  int table = memfd_create("launchd", 0);
  if (table == -1 || write(table, &header, sizeof header) != sizeof header ||
      write(table, text, length) != (ssize_t)length || dup2(table, TABLE_FD) == -1)
    die("cannot write the table of sockets");
  if (table != TABLE_FD) close(table);
}

int main(int argc, char **argv) {
  const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID"), *names = getenv("LISTEN_FDNAMES");
  if (count && pid && atoi(pid) == getpid() && atoi(count) > 0 && atoi(count) <= MAX_SOCKETS) {
    hand_over(atoi(count), names ? names : "");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDNAMES");
  }

  char self[PATH_MAX], folder[PATH_MAX], macrun[PATH_MAX + 64], program[PATH_MAX + 64];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length == -1) die("cannot find its own folder");
  self[length] = '\0';
  strcpy(folder, self);
  char *slash = strrchr(folder, '/'), *name = slash + 1, *suffix = strstr(name, "-mac");
  if (suffix) *suffix = '\0';
  *slash = '\0';
  snprintf(macrun, sizeof macrun, "%s/macrun", folder);
  snprintf(program, sizeof program, "%s/darwin-x64/%s", folder, name);

  char *first[] = {macrun, "--argv0", argc > 0 ? argv[0] : self, "--path", self, program};
  size_t words = sizeof first / sizeof *first;
  char **command = calloc(words + argc + 1, sizeof *command);
  memcpy(command, first, sizeof first);
  for (int i = 1; i < argc; i++) command[words + i - 1] = argv[i];
  execv(macrun, command);
  die(macrun);
}
