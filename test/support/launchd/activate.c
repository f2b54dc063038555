/* launch_activate_socket() with the ABI of Apple's <launch.h>, for a program that test/support/launchd/stand-in.ts started. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "table.h"

/* The ABI under test is Apple's, so these are macOS's numbers on every system (Linux's EALREADY is 114). */
enum { APPLE_ENOENT = 2, APPLE_ESRCH = 3, APPLE_EALREADY = 37 };

static struct table table;
static char *names, *activated;

/*
 * launchd answers the job's own process alone: neither a child of it nor a process that it did not start.
 * The first answer takes the table away and keeps all descriptors from children: the real ones do not exist before
 * activation, and a job gets them with FD_CLOEXEC set (fileport_makefd in xnu's bsd/kern/kern_descrip.c).
 */
static int managed(void) {
  if (names != NULL) return table.pid == getpid();
  if (pread(TABLE_FD, &table, sizeof table, 0) != sizeof table) return 0;
  if (memcmp(table.magic, TABLE_MAGIC, sizeof table.magic) != 0 || table.pid != getpid()) return 0;
  names = calloc(table.length + 1, 1);
  activated = calloc(table.length + 1, 1);
  if (pread(TABLE_FD, names, table.length, sizeof table) != table.length) abort();
  close(TABLE_FD);
  for (int fd = FIRST_SOCKET; fd < FIRST_SOCKET + table.sockets; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return 1;
}

/*
 * Returns 0 and the descriptors of a name, in an array that the caller frees with free(3), or ENOENT (the job's plist
 * has no such name), ESRCH (launchd did not start this process), EALREADY (the name was activated before).
 * Source: <launch.h> of macOS.
 */
int launch_activate_socket(const char *name, int **fds, size_t *cnt) {
  if (!managed()) return APPLE_ESRCH;
  int first = FIRST_SOCKET;
  for (char *entry = names, *end = names + table.length; entry < end;) {
    char *number = entry + strlen(entry) + 1;
    int count = atoi(number);
    if (strcmp(entry, name) == 0) {
      if (activated[entry - names]) return APPLE_EALREADY;
      activated[entry - names] = 1;
      *fds = malloc(count * sizeof **fds);
      for (int i = 0; i < count; i++) (*fds)[i] = first + i;
      *cnt = count;
      return 0;
    }
    first += count;
    entry = number + strlen(number) + 1;
  }
  return APPLE_ENOENT;
}
