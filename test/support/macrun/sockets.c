/* Sockets: addresses, connections and their ends. */
#include "macrun.h"
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>

int linux_family(int family) { return family == D_AF_INET6 ? AF_INET6 : family; }
int darwin_family(int family) { return family == AF_INET6 ? D_AF_INET6 : family == AF_PACKET ? D_AF_LINK : family; }

/* Darwin's address begins with its length and its family in a byte each (bsd/sys/socket.h, struct sockaddr). */
socklen_t linux_address(const void *from, socklen_t length, struct sockaddr_storage *to) {
  if (!from) return 0;
  if (length > sizeof *to) length = sizeof *to;
  memset(to, 0, sizeof *to);
  memcpy(to, from, length);
  to->ss_family = linux_family(((const u8 *)from)[1]);
  if (to->ss_family == AF_UNIX && length > sizeof(struct sockaddr_un)) length = sizeof(struct sockaddr_un);
  return length;
}

/* A Unix socket without a name has 16 bytes of address (sun_noname in bsd/kern/uipc_usrreq.c). */
enum { NO_NAME_LENGTH = 16 };

void darwin_address(const struct sockaddr_storage *from, socklen_t length, void *to, socklen_t *size) {
  if (!size) return;
  u8 bytes[sizeof *from + 1] = {0};
  memcpy(bytes, from, length);
  if (from->ss_family == AF_UNIX && length <= sizeof from->ss_family) length = NO_NAME_LENGTH;
  bytes[0] = length;
  bytes[1] = darwin_family(from->ss_family);
  if (to) memcpy(to, bytes, length < *size ? length : *size);
  *size = length;
}

int mac_socket(int domain, int type, int protocol) {
  int family = linux_family(domain);
  if (type & ~0xf) return fail(D_EPROTOTYPE); /* SOCK_CLOEXEC and SOCK_NONBLOCK are Linux's */
  return new_socket(socket(family, type, protocol), family, type, false);
}

int mac_socketpair(int domain, int type, int protocol, int pair[2]) {
  int family = linux_family(domain), result = socketpair(family, type, protocol, pair);
  for (int i = 0; result == 0 && i < 2; i++) new_socket(pair[i], family, type, true);
  return result;
}

int mac_bind(int fd, const void *address, socklen_t length) {
  struct sockaddr_storage l;
  length = linux_address(address, length, &l);
  return bind(fd, (void *)&l, length);
}

/* bsd/kern/uipc_socket.c, solisten */
int mac_listen(int fd, int backlog) {
  return listen(fd, backlog <= 0 || backlog > somaxconn() ? somaxconn() : backlog);
}

int mac_connect(int fd, const void *address, socklen_t length) {
  struct sockaddr_storage l;
  length = linux_address(address, length, &l);
  descriptor(fd)->connected = 1;
  if (l.ss_family != AF_UNIX) return connect(fd, (void *)&l, length);
  /* XNU never waits for a place in a Unix socket's queue; it refuses (bsd/kern/uipc_usrreq.c, unp_connect). */
  int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  int result = connect(fd, (void *)&l, length), error = errno;
  fcntl(fd, F_SETFL, flags);
  errno = error;
  return result < 0 && error == EAGAIN ? fail(D_ECONNREFUSED) : result;
}

/*
 * accept_nocancel() has taken the client out of the queue when it finds no descriptor free, and closes it
 * (bsd/kern/uipc_syscalls.c). Linux would leave it there, so it is accepted above the limit, where that can be raised.
 */
static void drop_client(int fd) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  enum { MORE = 64 };
  pthread_mutex_lock(&lock);
  struct rlimit limit, raised;
  getrlimit(RLIMIT_NOFILE, &limit);
  raised = limit;
  raised.rlim_cur = limit.rlim_max;
  if (limit.rlim_cur == limit.rlim_max) raised.rlim_cur = raised.rlim_max = limit.rlim_max + MORE;
  int client = -1;
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
    client = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (client >= 0) {
    syscall(SYS_close, client);
    fprintf(stderr, "macrun: accept found no descriptor free, where XNU drops the client\n");
  }
  pthread_mutex_unlock(&lock);
}

int mac_accept(int fd, void *address, socklen_t *size) {
  struct sockaddr_storage l;
  socklen_t length = sizeof l;
  int client = accept4(fd, (void *)&l, &length, 0);
  if (client < 0 && errno == EMFILE) {
    drop_client(fd);
    return fail(D_EMFILE);
  }
  if (client < 0) return client;
  /* What it takes from the listening socket: SO_NOSIGPIPE (sonewconn) and O_NONBLOCK (accept_nocancel). */
  new_socket(client, descriptor(fd)->domain, SOCK_STREAM, true);
  descriptor(client)->nosigpipe = descriptor(fd)->nosigpipe;
  int flags = fcntl(fd, F_GETFL);
  if (flags & O_NONBLOCK) fcntl(client, F_SETFL, fcntl(client, F_GETFL) | O_NONBLOCK);
  /* XNU knows no address of a client that has reset before (bsd/netinet/tcp_usrreq.c, tcp_usr_accept). */
  if (is_tcp(client) && tcp_state(client) == TCP_CLOSE) {
    if (size) *size = 0;
  } else {
    darwin_address(&l, length, address, size);
  }
  return client;
}

int mac_getsockname(int fd, void *address, socklen_t *size) {
  struct sockaddr_storage l;
  socklen_t length = sizeof l;
  if (getsockname(fd, (void *)&l, &length) != 0) return -1;
  darwin_address(&l, length, address, size);
  return 0;
}

/* EINVAL once both directions are down (bsd/kern/uipc_syscalls.c, getpeername). */
int mac_getpeername(int fd, void *address, socklen_t *size) {
  if (both_ways_down(fd)) return fail(D_EINVAL);
  struct sockaddr_storage l;
  socklen_t length = sizeof l;
  if (getpeername(fd, (void *)&l, &length) != 0) return -1;
  darwin_address(&l, length, address, size);
  return 0;
}

/* ENOTCONN of one that is not connected any more, or whose writing end is down (bsd/kern/uipc_socket.c, soshutdown, soshutdownlock_final). */
int mac_shutdown(int fd, int how) {
  struct descriptor *d = descriptor(fd);
  if (d->type == SOCK_STREAM && (!d->connected || both_ways_down(fd))) return fail(D_ENOTCONN);
  if (d->type == SOCK_STREAM && how != SHUT_RD && (d->shut & SHUT_WRITE)) return fail(D_ENOTCONN);
  int result = shutdown(fd, how);
  if (result != 0) return result;
  d->shut |= how == SHUT_RD ? SHUT_READ : how == SHUT_WR ? SHUT_WRITE : SHUT_READ | SHUT_WRITE;
  kqueue_shut(fd);
  return 0;
}
