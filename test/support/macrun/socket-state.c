/* so_state and so_error of XNU's sockets, found out from Linux's (bsd/sys/socketvar.h; bsd/kern/uipc_socket2.c). */
#include "macrun.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

bool is_tcp(int fd) {
  const struct descriptor *d = descriptor(fd);
  return d->type == SOCK_STREAM && (d->domain == AF_INET || d->domain == AF_INET6);
}

bool is_unix_stream(int fd) {
  const struct descriptor *d = descriptor(fd);
  return d->type == SOCK_STREAM && d->domain == AF_UNIX;
}

int tcp_state(int fd) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  int saved = errno, state = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_state : -1;
  errno = saved;
  return state;
}

static bool hung_up(int fd) {
  struct pollfd p = {.fd = fd};
  int saved = errno;
  bool result = poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
  errno = saved;
  return result;
}

/* Of a stream POLLHUP says just that, but Linux says it of one too that was never connected. */
bool both_ways_down(int fd) {
  const struct descriptor *d = descriptor(fd);
  return d->connected && d->type == SOCK_STREAM && hung_up(fd);
}

bool cannot_send(int fd) {
  const struct descriptor *d = descriptor(fd);
  if (d->shut & SHUT_WRITE) return true;
  if (is_unix_stream(fd)) return d->connected && hung_up(fd);
  if (!is_tcp(fd) || !d->connected) return false;
  switch (tcp_state(fd)) {
  case TCP_FIN_WAIT1:
  case TCP_FIN_WAIT2:
  case TCP_CLOSING:
  case TCP_TIME_WAIT:
  case TCP_LAST_ACK:
  case TCP_CLOSE: return true;
  default: return false;
  }
}

/*
 * Linux clears SO_ERROR when it tells of it; XNU's kevent shows so_error and leaves it. So it is kept here once it has
 * been read. Linux's EPIPE is that of a reset after the peer's end of data, where XNU too has ECONNRESET
 * (bsd/netinet/tcp_input.c, tcp_input). Unix sockets have none (bsd/kern/uipc_usrreq.c).
 */
int note_error(int fd) {
  struct descriptor *d = descriptor(fd);
  int error = 0, saved = errno;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error && d->domain != AF_UNIX)
    d->so_error = error == EPIPE ? D_ECONNRESET : darwin_error(error);
  errno = saved;
  return d->so_error;
}
