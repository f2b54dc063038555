/*
 * Bulk data in either direction. The server is ours too, so that it is never the slowest of the chain.
 *
 *   bulk serve PATH|[IPv4:]PORT|3                           (3: the descriptor of that number) a connection that sends 'd' gets data, one that sends 'u' is read
 *   bulk down|up PATH|[IPv4:]PORT CONNECTIONS MILLISECONDS  prints gigabytes (10^9) a second
 */
#define _GNU_SOURCE
#include "net.h"
#include <signal.h>

static char buffer[256 * 1024];

/* One process for each connection: sends until nobody reads, or reads until nobody sends. */
static void serve_one(int fd) {
  char direction = 0;
  if (read(fd, &direction, 1) != 1) return;
  if (direction == 'd')
    while (write(fd, buffer, sizeof buffer) > 0) continue;
  else
    while (read(fd, buffer, sizeof buffer) > 0) continue;
}

static int bound(const struct address *a) {
  int one = 1, fd = socket(a->u.any.sa_family, SOCK_STREAM, 0);
  if (fd < 0) die("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, &a->u.any, a->length) < 0 || listen(fd, 4096) < 0) die("bind");
  return fd;
}

static void serve(int fd) {
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    int client = accept(fd, NULL, NULL);
    if (client < 0) die("accept");
    if (fork() == 0) {
      close(fd);
      serve_one(client);
      exit(0);
    }
    close(client);
  }
}

/* In turns over all connections that are ready, so that none is favoured. */
static void transfer(const struct address *a, char direction, int count, int64_t duration) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event events[64];
  int64_t start = now(), bytes = 0;
  for (int i = 0; i < count; i++) {
    int fd = dial(a);
    if (write(fd, &direction, 1) != 1) die("write");
    watch(epoll, fd, direction == 'd' ? EPOLLIN : EPOLLOUT, (uint32_t)fd);
  }
  while (now() - start < duration) {
    int n = epoll_wait(epoll, events, 64, 100);
    for (int i = 0; i < n; i++) {
      int fd = (int)events[i].data.u32;
      ssize_t moved = direction == 'd' ? read(fd, buffer, sizeof buffer) : write(fd, buffer, sizeof buffer);
      if (moved == 0 || (moved < 0 && errno != EAGAIN)) die("connection lost");
      if (moved > 0) bytes += moved;
    }
  }
  printf("%.4f\n", (double)bytes / (double)(now() - start));
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc < 3) return 2;
  struct address a = parse_address(argv[2]);
  if (!strcmp(argv[1], "serve")) serve(!strcmp(argv[2], "3") ? 3 : bound(&a));
  else if (argc == 5 && !strcmp(argv[1], "down")) transfer(&a, 'd', atoi(argv[3]), atoll(argv[4]) * 1000000);
  else if (argc == 5 && !strcmp(argv[1], "up")) transfer(&a, 'u', atoi(argv[3]), atoll(argv[4]) * 1000000);
  else return 2;
  return 0;
}
