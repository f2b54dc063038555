/*
 * launch_activate_socket(3) as the launchd stand-in of the tests answers it: test/support/launchd/activate.c reads the table of
 * sockets that whoever started this process has left for it.
 */
#include "macrun.h"

int launch_activate_socket(const char *name, int **fds, size_t *count);

int mac_launch_activate_socket(const char *name, int **fds, size_t *count) {
  int error = launch_activate_socket(name, fds, count);
  if (error) return error;
  for (size_t i = 0; i < *count; i++) new_descriptor((*fds)[i]);
  return 0;
}
