/* What both load programs need: sockets by address, the clock, errors. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *what) {
  perror(what);
  exit(1);
}

/* Nanoseconds on the monotonic clock. */
static inline int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct address {
  union {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
  } u;
  socklen_t length;
};

/* A path, IPv4:PORT, or a port of 127.0.0.1. */
static inline struct address parse_address(const char *text) {
  struct address a;
  memset(&a, 0, sizeof a);
  if (strchr(text, '/')) {
    a.u.un.sun_family = AF_UNIX;
    if (strlen(text) >= sizeof a.u.un.sun_path) {
      fprintf(stderr, "path too long: %s\n", text);
      exit(1);
    }
    strcpy(a.u.un.sun_path, text);
    a.length = sizeof a.u.un;
  } else {
    const char *colon = strchr(text, ':');
    char host[INET_ADDRSTRLEN] = "127.0.0.1";
    if (colon) snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    a.u.in.sin_family = AF_INET;
    a.u.in.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : text));
    if (inet_pton(AF_INET, host, &a.u.in.sin_addr) != 1) {
      fprintf(stderr, "not an IPv4 address: %s\n", host);
      exit(1);
    }
    a.length = sizeof a.u.in;
  }
  return a;
}

/* A connected, non-blocking socket. Over loopback the connect is over at once, or waits for the queue. */
static inline int dial(const struct address *a) {
  int one = 1;
  int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  if (connect(fd, &a->u.any, a->length) < 0) die("connect");
  if (a->u.any.sa_family == AF_INET) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

static inline void watch(int epoll, int fd, uint32_t events, uint32_t index) {
  struct epoll_event e = {.events = events, .data = {.u32 = index}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0) die("epoll_ctl");
}
