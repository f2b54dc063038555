/* Sending and receiving, and what a reset looks like then (bsd/kern/uipc_socket.c, sosend and soreceive). */
#include "macrun.h"
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/uio.h>

static int linux_flags(int fd, int flags) {
  return (flags & D_MSG_OOB ? MSG_OOB : 0) | (flags & D_MSG_PEEK ? MSG_PEEK : 0) |
         (flags & D_MSG_DONTROUTE ? MSG_DONTROUTE : 0) | (flags & D_MSG_WAITALL ? MSG_WAITALL : 0) |
         (flags & D_MSG_DONTWAIT ? MSG_DONTWAIT : 0) |
         (flags & D_MSG_NOSIGNAL || descriptor(fd)->nosigpipe ? MSG_NOSIGNAL : 0);
}

static int broken_pipe(int fd) {
  if (!descriptor(fd)->nosigpipe) raise(SIGPIPE);
  return fail(D_EPIPE);
}

/* After a reset a socket can send no more, which is EPIPE; the error itself is for the reader (sosendcheck). */
static ssize_t sent(int fd, ssize_t result) {
  if (result >= 0) return result;
  int error = errno;
  if (is_unix_stream(fd) && error == ECONNRESET) return broken_pipe(fd);
  bool lost = error == ECONNRESET || error == ETIMEDOUT || error == EHOSTUNREACH;
  if (!is_tcp(fd) || !lost || tcp_state(fd) != TCP_CLOSE) return result;
  descriptor(fd)->so_error = darwin_error(error);
  errno = error;
  return broken_pipe(fd);
}

/* so_error comes when no data is left, before the end of data; Linux forgets it once the peer's FIN is there. */
static ssize_t received(int fd, ssize_t result, bool peek) {
  struct descriptor *d = descriptor(fd);
  if (result > 0 || !d->type) return result;
  if (result < 0) {
    if (errno == ECONNRESET && d->domain == AF_UNIX) return errno = 0, 0; /* Unix sockets know no reset */
    if (errno == EPIPE && is_tcp(fd)) return fail(D_ECONNRESET);          /* see note_error() */
    if (errno != EAGAIN) return result;
  } else if (is_tcp(fd)) {
    note_error(fd);
  }
  int error = d->so_error;
  if (!error) return result;
  if (!peek) d->so_error = 0;
  return fail(error);
}

ssize_t mac_send(int fd, const void *from, size_t size, int flags) {
  return sent(fd, send(fd, from, size, linux_flags(fd, flags)));
}
ssize_t mac_sendto(int fd, const void *from, size_t size, int flags, const void *address, socklen_t length) {
  struct sockaddr_storage l;
  length = linux_address(address, length, &l);
  return sent(fd, sendto(fd, from, size, linux_flags(fd, flags), address ? (void *)&l : NULL, length));
}
ssize_t mac_recv(int fd, void *to, size_t size, int flags) {
  return received(fd, recv(fd, to, size, linux_flags(fd, flags)), flags & D_MSG_PEEK);
}
ssize_t mac_recvfrom(int fd, void *to, size_t size, int flags, void *address, socklen_t *length) {
  struct sockaddr_storage l;
  socklen_t linux_length = sizeof l;
  ssize_t result = recvfrom(fd, to, size, linux_flags(fd, flags), (void *)&l, &linux_length);
  if (result >= 0 && address && length) {
    if (linux_length)
      darwin_address(&l, linux_length, address, length);
    else
      *length = 0;
  }
  return received(fd, result, flags & D_MSG_PEEK);
}

/* read(2) and write(2), of which SIGPIPE too depends on the socket. */
ssize_t mac_read(int fd, void *to, size_t size) { return received(fd, read(fd, to, size), false); }
ssize_t mac_readv(int fd, const struct iovec *parts, int count) { return received(fd, readv(fd, parts, count), false); }
ssize_t mac_write(int fd, const void *from, size_t size) {
  return descriptor(fd)->type ? mac_send(fd, from, size, 0) : write(fd, from, size);
}
ssize_t mac_writev(int fd, const struct iovec *parts, int count) {
  if (!descriptor(fd)->type) return writev(fd, parts, count);
  struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};
  return sent(fd, sendmsg(fd, &message, linux_flags(fd, 0)));
}
ssize_t mac_preadv(int fd, const struct iovec *parts, int count, off_t at) { return preadv(fd, parts, count, at); }
ssize_t mac_pwritev(int fd, const struct iovec *parts, int count, off_t at) { return pwritev(fd, parts, count, at); }

/* struct msghdr and struct cmsghdr; control messages begin at multiples of 4 bytes (CMSG_ALIGN). */
struct d_message {
  void *name;
  socklen_t name_length;
  struct iovec *parts;
  int part_count;
  void *control;
  socklen_t control_length;
  int flags;
};
struct d_control {
  u32 length;
  int level, type;
};
enum { CONTROL_SIZE = 2048 };
static u32 aligned(u32 length) { return (length + 3) & ~3u; }

static size_t linux_control(const struct d_message *d, struct msghdr *message) {
  struct cmsghdr *l = message->msg_control;
  size_t used = 0;
  for (u32 at = 0; at + sizeof(struct d_control) <= d->control_length;) {
    const struct d_control *c = (const void *)((const u8 *)d->control + at);
    if (c->length < sizeof *c) break;
    size_t length = c->length - sizeof *c;
    if (used + CMSG_SPACE(length) > message->msg_controllen) break;
    l->cmsg_level = c->level == D_SOL_SOCKET ? SOL_SOCKET : c->level;
    l->cmsg_type = c->type;
    l->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(l), c + 1, length);
    used += CMSG_SPACE(length);
    l = (void *)((u8 *)l + CMSG_SPACE(length));
    at += aligned(c->length);
  }
  return used;
}

static void darwin_control(struct msghdr *message, struct d_message *d) {
  u32 used = 0;
  for (struct cmsghdr *l = CMSG_FIRSTHDR(message); l; l = CMSG_NXTHDR(message, l)) {
    u32 length = l->cmsg_len - CMSG_LEN(0);
    struct d_control *c = (void *)((u8 *)d->control + used);
    if (used + sizeof *c + length > d->control_length) {
      d->flags |= D_MSG_CTRUNC;
      break;
    }
    int level = l->cmsg_level == SOL_SOCKET ? D_SOL_SOCKET : l->cmsg_level;
    *c = (struct d_control){sizeof *c + length, level, l->cmsg_type};
    memcpy(c + 1, CMSG_DATA(l), length);
    if (l->cmsg_level == SOL_SOCKET && l->cmsg_type == SCM_RIGHTS)
      for (u32 i = 0; i < length / sizeof(int); i++) new_descriptor(((int *)(c + 1))[i]);
    used += aligned(c->length);
  }
  d->control_length = used;
}

ssize_t mac_sendmsg(int fd, const struct d_message *d, int flags) {
  struct sockaddr_storage name;
  _Alignas(struct cmsghdr) u8 control[CONTROL_SIZE] = {0};
  struct msghdr message = {.msg_iov = d->parts, .msg_iovlen = d->part_count};
  if (d->name) {
    message.msg_name = &name;
    message.msg_namelen = linux_address(d->name, d->name_length, &name);
  }
  if (d->control && d->control_length) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    message.msg_controllen = linux_control(d, &message);
  }
  return sent(fd, sendmsg(fd, &message, linux_flags(fd, flags)));
}

ssize_t mac_recvmsg(int fd, struct d_message *d, int flags) {
  struct sockaddr_storage name;
  _Alignas(struct cmsghdr) u8 control[CONTROL_SIZE];
  struct msghdr message = {.msg_iov = d->parts, .msg_iovlen = d->part_count};
  if (d->name) message.msg_name = &name, message.msg_namelen = sizeof name;
  if (d->control) message.msg_control = control, message.msg_controllen = sizeof control;
  ssize_t result = received(fd, recvmsg(fd, &message, linux_flags(fd, flags)), flags & D_MSG_PEEK);
  if (result < 0) return result;
  d->flags = (message.msg_flags & MSG_TRUNC ? D_MSG_TRUNC : 0) | (message.msg_flags & MSG_CTRUNC ? D_MSG_CTRUNC : 0) |
             (message.msg_flags & MSG_EOR ? D_MSG_EOR : 0);
  if (d->name && message.msg_namelen)
    darwin_address(&name, message.msg_namelen, d->name, &d->name_length);
  else
    d->name_length = 0;
  if (d->control)
    darwin_control(&message, d);
  else
    d->control_length = 0;
  return result;
}

/* bsd/kern/uipc_syscalls.c, sendfile: *length is how much is to be sent, 0 for all, and then how much was. */
int mac_sendfile(int file, int fd, off_t offset, off_t *length, void *, int) {
  char buffer[65536];
  off_t wanted = *length, done = 0;
  *length = 0;
  while (wanted == 0 || done < wanted) {
    off_t left = wanted ? wanted - done : (off_t)sizeof buffer;
    size_t size = left < (off_t)sizeof buffer ? left : (off_t)sizeof buffer;
    ssize_t got = pread(file, buffer, size, offset + done);
    if (got <= 0) return got;
    ssize_t put = mac_send(fd, buffer, got, 0);
    if (put < 0) return -1;
    *length = done += put;
    if (put < got) return fail(D_EAGAIN);
  }
  return 0;
}

static i64 milliseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int mac_poll(struct pollfd *fds, unsigned count, int timeout) {
  i64 until = milliseconds() + timeout;
  for (int left = timeout;;) {
    unsigned before = parked;
    int result = poll(fds, count, left);
    if (result >= 0 || errno != EINTR || before == parked) return result;
    if (timeout > 0) left = until > milliseconds() ? until - milliseconds() : 0;
  }
}

int mac_select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, const i64 *timeout) {
  struct timeval t;
  if (timeout) t = (struct timeval){timeout[0], (int)timeout[1]};
  return select(count, readable, writable, exceptional, timeout ? &t : NULL);
}
