/* getsockopt(2) and setsockopt(2) (bsd/kern/uipc_socket.c, sosetoptlock and sogetoptlock). */
#include "macrun.h"
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/time.h>

/* Those that are the same on both, but for their numbers. */
static const struct {
  int level, name, linux_level, linux_name;
} same[] = {
    {D_SOL_SOCKET, D_SO_REUSEADDR, SOL_SOCKET, SO_REUSEADDR},
    {D_SOL_SOCKET, D_SO_KEEPALIVE, SOL_SOCKET, SO_KEEPALIVE},
    {D_SOL_SOCKET, D_SO_DONTROUTE, SOL_SOCKET, SO_DONTROUTE},
    {D_SOL_SOCKET, D_SO_BROADCAST, SOL_SOCKET, SO_BROADCAST},
    {D_SOL_SOCKET, D_SO_OOBINLINE, SOL_SOCKET, SO_OOBINLINE},
    {D_SOL_SOCKET, D_SO_REUSEPORT, SOL_SOCKET, SO_REUSEPORT},
    {D_SOL_SOCKET, D_SO_SNDBUF, SOL_SOCKET, SO_SNDBUF},
    {D_SOL_SOCKET, D_SO_RCVBUF, SOL_SOCKET, SO_RCVBUF},
    {D_SOL_SOCKET, D_SO_SNDLOWAT, SOL_SOCKET, SO_SNDLOWAT},
    {D_SOL_SOCKET, D_SO_RCVLOWAT, SOL_SOCKET, SO_RCVLOWAT},
    {D_SOL_SOCKET, D_SO_TYPE, SOL_SOCKET, SO_TYPE},
    {D_IPPROTO_TCP, 0x1, IPPROTO_TCP, TCP_NODELAY},
    {D_IPPROTO_TCP, 0x2, IPPROTO_TCP, TCP_MAXSEG},
    {D_IPPROTO_TCP, 0x10, IPPROTO_TCP, TCP_KEEPIDLE}, /* TCP_KEEPALIVE */
    {D_IPPROTO_TCP, 0x101, IPPROTO_TCP, TCP_KEEPINTVL},
    {D_IPPROTO_TCP, 0x102, IPPROTO_TCP, TCP_KEEPCNT},
    {D_IPPROTO_TCP, 0x105, IPPROTO_TCP, TCP_FASTOPEN},
    {D_IPPROTO_TCP, 0x201, IPPROTO_TCP, TCP_NOTSENT_LOWAT},
    {IPPROTO_IP, 3, IPPROTO_IP, IP_TOS},
    {IPPROTO_IP, 4, IPPROTO_IP, IP_TTL},
    {D_IPPROTO_IPV6, 4, IPPROTO_IPV6, IPV6_UNICAST_HOPS},
    {D_IPPROTO_IPV6, 27, IPPROTO_IPV6, IPV6_V6ONLY},
    {D_IPPROTO_IPV6, 35, IPPROTO_IPV6, IPV6_RECVTCLASS},
    {D_IPPROTO_IPV6, 36, IPPROTO_IPV6, IPV6_TCLASS},
    {D_IPPROTO_IPV6, 61, IPPROTO_IPV6, IPV6_RECVPKTINFO},
};

static bool translate(int *level, int *name) {
  for (size_t i = 0; i < LENGTH(same); i++) {
    if (same[i].level != *level || same[i].name != *name) continue;
    *level = same[i].linux_level;
    *name = same[i].linux_name;
    return true;
  }
  return false;
}

/* EBADF or ENOTSOCK, as Linux says. */
static int not_a_socket(int fd) {
  int value;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size);
}

static bool is_buffer(int level, int name) {
  return level == D_SOL_SOCKET && (name == D_SO_SNDBUF || name == D_SO_RCVBUF);
}

/* Linux doubles what it is told, for its own use of the buffer, and tells the double. */
static int set_buffer(int fd, int name, int size) {
  enum { MAXIMUM = 8 << 20 }; /* kern.ipc.maxsockbuf */
  if (size <= 0) return fail(D_EINVAL);
  if (size > MAXIMUM) return fail(D_ENOBUFS);
  int half = size / 2;
  return setsockopt(fd, SOL_SOCKET, name == D_SO_SNDBUF ? SO_SNDBUF : SO_RCVBUF, &half, sizeof half);
}

/* struct timeval: microseconds are an int */
struct d_timeval {
  i64 seconds;
  int microseconds;
};
/* struct linger: as Linux's, but SO_LINGER counts in ticks of 1/100 s. */
enum { TICKS = 100 };

int mac_setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
  struct descriptor *d = descriptor(fd);
  if (!d->type) return not_a_socket(fd);
  if (both_ways_down(fd)) return fail(D_EINVAL);
  if (size < sizeof(int)) return fail(D_EINVAL);
  if (is_buffer(level, name)) return set_buffer(fd, name, *(const int *)value);
  if (level == D_SOL_SOCKET) switch (name) {
    case D_SO_NOSIGPIPE: d->nosigpipe = *(const int *)value != 0; return 0;
    case D_SO_SNDTIMEO:
    case D_SO_RCVTIMEO: {
      const struct d_timeval *t = value;
      struct timeval l = {t->seconds, t->microseconds};
      return setsockopt(fd, SOL_SOCKET, name == D_SO_SNDTIMEO ? SO_SNDTIMEO : SO_RCVTIMEO, &l, sizeof l);
    }
    case D_SO_LINGER:
    case D_SO_LINGER_SEC: {
      struct linger l = *(const struct linger *)value;
      if (name == D_SO_LINGER) l.l_linger /= TICKS;
      return setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    }
    case D_SO_ACCEPTCONN:
    case D_SO_ERROR:
    case D_SO_TYPE:
    case D_SO_NREAD:
    case D_SO_NWRITE: return fail(D_ENOPROTOOPT);
    }
  int linux_level = level, linux_name = name;
  if (translate(&linux_level, &linux_name)) return setsockopt(fd, linux_level, linux_name, value, size);
  fprintf(stderr, "macrun: setsockopt %d 0x%x is not implemented\n", level, name);
  return fail(D_ENOPROTOOPT);
}

static int give(void *to, socklen_t *size, int value) {
  if (*size > sizeof value) *size = sizeof value;
  memcpy(to, &value, *size);
  return 0;
}

/* How many bytes wait; 0 where Linux cannot tell, as of a socket that listens. */
static int waiting(int fd, unsigned long direction) {
  int bytes = 0, saved = errno;
  if (ioctl(fd, direction, &bytes) != 0) bytes = 0;
  errno = saved;
  return bytes;
}

/* struct xucred (bsd/sys/ucred.h) */
struct d_xucred {
  unsigned version, uid;
  short groups_count;
  unsigned groups[16];
};

/*
 * Who listened or connected at the other end (bsd/kern/uipc_usrreq.c, uipc_ctloutput). cru2x() clears the whole of it
 * before it writes (bsd/kern/kern_prot.c); the groups stay empty here.
 */
static int get_peer(int fd, int name, void *to, socklen_t *size) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
  switch (name) {
  case D_LOCAL_PEERPID:
  case D_LOCAL_PEEREPID: return give(to, size, peer.pid);
  case D_LOCAL_PEERCRED: {
    if (peer.uid == (uid_t)-1) return fail(D_ENOTCONN);
    struct d_xucred found = {.uid = peer.uid};
    if (*size > sizeof found) *size = sizeof found;
    memcpy(to, &found, *size);
    return 0;
  }
  default: return fail(D_ENOPROTOOPT);
  }
}

static int get_socket_option(int fd, int name, void *to, socklen_t *size) {
  struct descriptor *d = descriptor(fd);
  switch (name) {
  case D_SO_ERROR: {
    int error = note_error(fd);
    d->so_error = 0;
    return give(to, size, error);
  }
  case D_SO_NOSIGPIPE: return give(to, size, d->nosigpipe);
  case D_SO_NREAD: return give(to, size, waiting(fd, SIOCINQ));
  /* so_snd.sb_cc, which is always 0 of a Unix socket: its data lies with the receiver. */
  case D_SO_NWRITE: return give(to, size, is_tcp(fd) ? waiting(fd, SIOCOUTQ) : 0);
  case D_SO_LINGER:
  case D_SO_LINGER_SEC: {
    struct linger l;
    socklen_t length = sizeof l;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &length) != 0) return -1;
    if (name == D_SO_LINGER) l.l_linger *= TICKS;
    if (*size > sizeof l) *size = sizeof l;
    memcpy(to, &l, *size);
    return 0;
  }
  /* There is no such case in sogetoptlock(). */
  case D_SO_ACCEPTCONN: return fail(D_ENOPROTOOPT);
  }
  int level = D_SOL_SOCKET;
  if (translate(&level, &name)) return getsockopt(fd, level, name, to, size);
  fprintf(stderr, "macrun: getsockopt 0x%x is not implemented\n", name);
  return fail(D_ENOPROTOOPT);
}

/* struct tcp_connection_info (bsd/netinet/tcp.h), as far as it is filled here: the window that the peer offers. */
struct d_tcp_connection_info {
  unsigned char state, send_scale, receive_scale, padding;
  unsigned options, flags, rto, maxseg, ssthresh, cwnd, send_window;
  unsigned rest[20];
};

/* tcp_ctloutput (bsd/netinet/tcp_usrreq.c); level and socket are checked before it (uipc_ctloutput for Unix sockets). */
static int get_tcp_connection_info(int fd, void *to, socklen_t *size) {
  enum { SEND_WINDOW = 228, LENGTH = 232 }; /* tcpi_snd_wnd of linux/tcp.h, which netinet/tcp.h does not know */
  unsigned char info[LENGTH] = {0};
  socklen_t length = LENGTH;
  if (!is_tcp(fd)) return fail(D_EINVAL);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &length) != 0) return -1;
  struct d_tcp_connection_info told = {0};
  memcpy(&told.send_window, info + SEND_WINDOW, sizeof told.send_window);
  if (*size > sizeof told) *size = sizeof told;
  memcpy(to, &told, *size);
  return 0;
}

int mac_getsockopt(int fd, int level, int name, void *to, socklen_t *size) {
  const struct descriptor *d = descriptor(fd);
  if (!d->type) return not_a_socket(fd);
  if (level == D_SOL_SOCKET) return get_socket_option(fd, name, to, size);
  if (level == D_SOL_LOCAL && d->domain == AF_UNIX) return get_peer(fd, name, to, size);
  if (level == D_IPPROTO_TCP && name == D_TCP_CONNECTION_INFO) return get_tcp_connection_info(fd, to, size);
  int linux_level = level, linux_name = name;
  if (translate(&linux_level, &linux_name)) return getsockopt(fd, linux_level, linux_name, to, size);
  fprintf(stderr, "macrun: getsockopt %d 0x%x is not implemented\n", level, name);
  return fail(D_ENOPROTOOPT);
}
