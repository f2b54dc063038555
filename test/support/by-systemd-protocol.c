/*
 * Runs PROGRAM with its own arguments. Where the launchd stand-in started it, as a job, the job's sockets are handed on
 * by systemd's protocol (sd_listen_fds(3)): for a program that cannot ask the stand-in for them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launchd/table.h"

enum { SD_LISTEN_FDS_START = 3 };

static void set_number(const char *variable, int number) {
  char text[20];
  snprintf(text, sizeof text, "%d", number);
  setenv(variable, text, 1);
}

/* The table's list of names, each with its number of sockets, becomes one name for each socket. */
static void hand_on(const struct table *table) {
  char *names = calloc(table->length + 1, 1), *list = NULL;
  size_t length;
  FILE *out = open_memstream(&list, &length);
  if (pread(TABLE_FD, names, table->length, sizeof *table) != table->length) abort();
  for (char *name = names; name < names + table->length;) {
    char *number = name + strlen(name) + 1;
    for (int count = atoi(number); count > 0; count--) fprintf(out, "%s%s", ftell(out) > 0 ? ":" : "", name);
    name = number + strlen(number) + 1;
  }
  fclose(out);
  setenv("LISTEN_FDNAMES", list, 1);
  set_number("LISTEN_FDS", table->sockets);
  set_number("LISTEN_PID", getpid());
  for (int i = 0; i < table->sockets; i++) dup2(FIRST_SOCKET + i, SD_LISTEN_FDS_START + i);
  close(SD_LISTEN_FDS_START + table->sockets);
}

int main(int argc, char **argv) {
  (void)argc;
  struct table table;
  if (pread(TABLE_FD, &table, sizeof table, 0) == sizeof table &&
      memcmp(table.magic, TABLE_MAGIC, sizeof table.magic) == 0 && table.pid == getpid())
    hand_on(&table);
  execv(PROGRAM, argv);
  perror(PROGRAM);
  return 126;
}
