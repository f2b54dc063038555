/* What launchd does with sockets, for library.ts. Failures are returned as -errno. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "table.h"

static int kind(int type) { return type == 's' ? SOCK_STREAM : SOCK_DGRAM; }

static int bound(int family, int type, int v6only, const void *address, socklen_t length, int backlog) {
  int on = 1, fd = socket(family, type, 0);
  if (fd == -1) return -errno;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (family != AF_UNIX) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only);
  mode_t mask = umask(077); /* only SockPathMode opens a Unix socket to others (launchd-842, support/launchctl.c:1475) */
  int failed = bind(fd, address, length) == -1;
  int error = errno;
  umask(mask);
  if (!failed && type != SOCK_DGRAM && listen(fd, backlog) == -1) failed = 1, error = errno;
  if (!failed) return fd;
  close(fd);
  return -error;
}

/*
 * Binds every address that a name stands for; an empty node is the wildcard. family is 4, 6, 46 (one socket for both)
 * or 0 (a socket for each); type is 's' for stream or 'd' for datagram. Returns how many descriptors are in fds.
 * As launchd-842 does, support/launchctl.c:1549-1594; 46 is today's IPv4v6 of launchd.plist(5).
 */
int standin_listen(const char *node, const char *service, int family, int type, int backlog, int *fds, int max) {
  struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = kind(type)}, *all;
  hints.ai_family = family == 4 ? AF_INET : family == 0 ? AF_UNSPEC : AF_INET6;
  if (getaddrinfo(*node ? node : NULL, service, &hints, &all) != 0) return UNKNOWN_NAME;
  int count = 0, failure = 0;
  for (struct addrinfo *one = all; one != NULL && count < max; one = one->ai_next) {
    int fd = bound(one->ai_family, one->ai_socktype, family != 46, one->ai_addr, one->ai_addrlen, backlog);
    if (fd >= 0) fds[count++] = fd;
    /* A machine without IPv6 still has its addresses in names. */
    else if (failure == 0 || (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL)) failure = fd;
  }
  freeaddrinfo(all);
  if (failure == 0 || (count > 0 && (failure == -EAFNOSUPPORT || failure == -EADDRNOTAVAIL))) return count;
  while (count > 0) close(fds[--count]);
  return failure;
}

/* Binds a Unix socket in place of whatever has its path (launchd-842, support/launchctl.c:1471). Returns the descriptor. */
int standin_listen_path(const char *path, int type, int backlog) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  strcpy(address.sun_path, path);
  if (unlink(path) == -1 && errno != ENOENT) return -errno;
  return bound(AF_UNIX, kind(type), 0, &address, sizeof address, backlog);
}

/* Writes the numeric host of a bound TCP or UDP socket into host. Returns the port. */
int standin_address(int fd, char *host, int size) {
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  char port[8];
  if (getsockname(fd, (struct sockaddr *)&address, &length) == -1) return -errno;
  int flags = NI_NUMERICHOST | NI_NUMERICSERV;
  if (getnameinfo((struct sockaddr *)&address, length, host, size, port, sizeof port, flags) != 0) return UNKNOWN_NAME;
  return atoi(port);
}

/* Whether a connection (or datagram) waits in one of the sockets. */
int standin_readable(const int *fds, int count) {
  struct pollfd polled[count + 1];
  for (int i = 0; i < count; i++) polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
  return poll(polled, count, 0) > 0;
}
