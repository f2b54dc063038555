/* Preloaded: accept4 fails. With FAIL_ACCEPT=20 in turn with every error that accept(2) calls passing, 20 times each, and then
   says that it works again. With FAIL_ACCEPT_WHILE=PATH it fails with ENFILE as long as there is a file of that name. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who opens the C library to look functions up in it gets the whole program's: these here come first. */
void *dlopen(const char *path, int mode) {
  void *(*real)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
  return real(path != NULL && strcmp(path, "libc.so.6") == 0 ? NULL : path, mode);
}

int accept4(int fd, struct sockaddr *name, socklen_t *length, int flags) {
  static const int errors[] = {ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH, EINTR};
  static int calls;
  static int (*real)(int, struct sockaddr *, socklen_t *, int);
  if (real == NULL) real = dlsym(RTLD_NEXT, "accept4");
  const char *path = getenv("FAIL_ACCEPT_WHILE");
  if (path != NULL) {
    if (access(path, F_OK) != 0) return real(fd, name, length, flags);
    errno = ENFILE;
    return -1;
  }
  int each = atoi(getenv("FAIL_ACCEPT"));
  if (calls < each * (int)(sizeof errors / sizeof *errors)) {
    errno = errors[calls++ / each];
    return -1;
  }
  static int told;
  if (!told++) (void)!write(2, "accept works again\n", 19);
  return real(fd, name, length, flags);
}
