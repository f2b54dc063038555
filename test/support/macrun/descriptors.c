/* Descriptors: the table of what Linux does not tell of them, and the calls that make, copy, steer and close them. */
#include "macrun.h"
#include <pty.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <termios.h>

static struct descriptor table[MAX_FD];

static bool in_table(int fd) { return fd >= 0 && fd < MAX_FD; }

/* Bytes of net.local.stream.sendspace (bsd/kern/uipc_usrreq.c, PIPSIZ); Linux doubles what it is told. */
enum { UNIX_SEND_BUFFER = 8192 };

int new_descriptor(int fd) {
  if (in_table(fd)) table[fd] = (struct descriptor){0};
  return fd;
}

int new_socket(int fd, int domain, int type, bool connected) {
  if (!in_table(fd)) return fd;
  table[fd] = (struct descriptor){.known = 1, .domain = domain, .type = type, .connected = connected};
  int half = UNIX_SEND_BUFFER / 2;
  if (domain == AF_UNIX && type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof half);
  return fd;
}

void copy_descriptor(int from, int to) {
  if (in_table(to)) table[to] = *descriptor(from);
}

/* Of a descriptor that the program has not made itself, what Linux says. */
struct descriptor *descriptor(int fd) {
  static __thread struct descriptor nowhere;
  if (!in_table(fd)) {
    nowhere = (struct descriptor){0};
    return &nowhere;
  }
  struct descriptor *d = &table[fd];
  if (d->known) return d;
  int value, saved = errno;
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size) == 0) {
    d->domain = value;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size) == 0) d->type = value;
    struct sockaddr_storage peer;
    size = sizeof peer;
    d->connected = getpeername(fd, (void *)&peer, &size) == 0;
  }
  errno = saved;
  d->known = 1;
  return d;
}

/* The program counts on the lowest free numbers for its own. */
int out_of_the_way(int fd) {
  int up = fcntl(fd, F_DUPFD_CLOEXEC, 200);
  if (up < 0) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return new_descriptor(fd);
  }
  syscall(SYS_close, fd);
  return new_descriptor(up);
}

int mac_close(int fd) {
  kqueue_closing(fd);
  new_descriptor(fd);
  return close(fd);
}

int mac_dup(int fd) {
  int copy = dup(fd);
  copy_descriptor(fd, copy);
  return copy;
}

int mac_dup2(int from, int to) {
  if (from == to) return dup2(from, to);
  kqueue_closing(to);
  new_descriptor(to);
  int copy = dup2(from, to);
  copy_descriptor(from, copy);
  return copy;
}

int mac_pipe(int ends[2]) {
  int result = pipe(ends);
  if (result == 0) new_descriptor(ends[0]), new_descriptor(ends[1]);
  return result;
}

int mac_openpty(int *primary, int *secondary, char *name, void *, void *) {
  int result = openpty(primary, secondary, name, NULL, NULL);
  if (result == 0) new_descriptor(*primary), new_descriptor(*secondary);
  return result;
}

int mac_shm_open(const char *name, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  int mode = va_arg(arguments, int);
  va_end(arguments);
  return new_descriptor(shm_open(name, linux_open_flags(flags), mode));
}

struct d_flock {
  i64 start, length;
  int pid;
  short type, whence;
};

static int lock(int fd, int command, struct d_flock *d) {
  static const short types[] = {0, F_RDLCK, F_UNLCK, F_WRLCK};
  if (d->type < D_F_RDLCK || d->type > D_F_WRLCK) return fail(D_EINVAL);
  struct flock l = {.l_type = types[d->type], .l_whence = d->whence, .l_start = d->start, .l_len = d->length};
  int result = fcntl(fd, command == D_F_GETLK ? F_GETLK : command == D_F_SETLK ? F_SETLK : F_SETLKW, &l);
  if (result != 0 || command != D_F_GETLK) return result;
  d->type = l.l_type == F_RDLCK ? D_F_RDLCK : l.l_type == F_UNLCK ? D_F_UNLCK : D_F_WRLCK;
  d->pid = l.l_pid;
  d->start = l.l_start;
  d->length = l.l_len;
  return 0;
}

/* Fills a buffer of MAXPATHLEN bytes, as F_GETPATH does. */
int path_of(int fd, char *path) {
  enum { MAXPATHLEN = 1024 };
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, MAXPATHLEN - 1);
  if (length < 0) return -1;
  path[length] = 0;
  mac_path(path);
  return 0;
}

int mac_fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  long value = va_arg(arguments, long);
  va_end(arguments);
  switch (command) {
  case D_F_DUPFD:
  case D_F_DUPFD_CLOEXEC: {
    int copy = fcntl(fd, command == D_F_DUPFD ? F_DUPFD : F_DUPFD_CLOEXEC, (int)value);
    copy_descriptor(fd, copy);
    return copy;
  }
  case D_F_GETFD: return fcntl(fd, F_GETFD);
  case D_F_SETFD: return fcntl(fd, F_SETFD, (int)value);
  case D_F_GETFL: {
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? flags : darwin_open_flags(flags);
  }
  case D_F_SETFL: return fcntl(fd, F_SETFL, linux_open_flags(value));
  case D_F_GETLK:
  case D_F_SETLK:
  case D_F_SETLKW: return lock(fd, command, (void *)value);
  case D_F_GETPATH: return path_of(fd, (char *)value);
  case D_F_FULLFSYNC:
  case D_F_BARRIERFSYNC: return fsync(fd);
  case D_F_SETNOSIGPIPE: descriptor(fd)->nosigpipe = value != 0; return 0;
  case D_F_GETNOSIGPIPE: return descriptor(fd)->nosigpipe;
  case D_F_RDADVISE:
  case D_F_RDAHEAD:
  case D_F_NOCACHE:
  case D_F_NODIRECT: return 0;
  case D_F_PREALLOCATE: return fail(D_ENOTSUP);
  }
  fprintf(stderr, "macrun: fcntl command %d is not implemented\n", command);
  return fail(D_EINVAL);
}

int mac_ioctl(int fd, u64 request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *value = va_arg(arguments, void *);
  va_end(arguments);
  switch ((u32)request) {
  case D_FIONBIO: return ioctl(fd, FIONBIO, value);
  case D_FIONREAD: return ioctl(fd, FIONREAD, value);
  case D_FIOCLEX: return fcntl(fd, F_SETFD, FD_CLOEXEC);
  case D_FIONCLEX: return fcntl(fd, F_SETFD, 0);
  case D_TIOCGWINSZ: return ioctl(fd, TIOCGWINSZ, value);
  case D_TIOCSWINSZ: return ioctl(fd, TIOCSWINSZ, value);
  case D_TIOCSCTTY: return ioctl(fd, TIOCSCTTY, 0);
  case D_TIOCNOTTY: return ioctl(fd, TIOCNOTTY);
  }
  fprintf(stderr, "macrun: ioctl 0x%llx is not implemented\n", (unsigned long long)request);
  return fail(D_ENOTTY);
}
