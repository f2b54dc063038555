/* Preloaded: accept4 fails in turn with every error that accept(2) calls passing, so many times each as FAIL_ACCEPT says,
   and then says that it works again. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int accept4(int fd, struct sockaddr *name, socklen_t *length, int flags) {
  static const int errors[] = {ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH, EINTR};
  static int calls;
  static int (*real)(int, struct sockaddr *, socklen_t *, int);
  int each = atoi(getenv("FAIL_ACCEPT"));
  if (real == NULL) real = dlsym(RTLD_NEXT, "accept4");
  if (calls < each * (int)(sizeof errors / sizeof *errors)) {
    errno = errors[calls++ / each];
    return -1;
  }
  static int told;
  if (!told++) (void)!write(2, "accept works again\n", 19);
  return real(fd, name, length, flags);
}
