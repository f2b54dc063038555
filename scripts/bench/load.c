/*
 * Small HTTP requests, for what wrk cannot measure. In C, since a client in TypeScript would be the bottleneck.
 *
 *   load connections PORT CONCURRENCY MILLISECONDS   each request on a connection of its own; prints how many a second
 *   load latency PORT CONNECTIONS RATE MILLISECONDS  RATE requests a second; prints p50, p99, p99.9 (µs) and the rate
 *   load idle PORT CONNECTIONS                       one request on each; prints "ready", holds them until stdin ends
 */
#define _GNU_SOURCE
#include "net.h"
#include <sys/timerfd.h>

static const char keep[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
static const char last[] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";

/* Connects without blocking: at capacity a proxy leaves new connections in the queue. */
static int open_request(int epoll, const struct address *a, uint32_t index) {
  int fd = dial(a);
  if (write(fd, last, sizeof last - 1) != sizeof last - 1) die("write");
  watch(epoll, fd, EPOLLIN, index);
  return fd;
}

static void connections(const struct address *a, int concurrency, int64_t duration) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  int *fds = calloc((size_t)concurrency, sizeof *fds);
  size_t *received = calloc((size_t)concurrency, sizeof *received);
  struct epoll_event events[256];
  char buffer[4096];
  int64_t start = now(), done = 0, failed = 0;
  for (int i = 0; i < concurrency; i++) fds[i] = open_request(epoll, a, (uint32_t)i);
  while (now() - start < duration) {
    int n = epoll_wait(epoll, events, 256, 100);
    for (int i = 0; i < n; i++) {
      uint32_t c = events[i].data.u32;
      ssize_t got = read(fds[c], buffer, sizeof buffer);
      if (got > 0) {
        received[c] += (size_t)got;
        continue;
      }
      if (got < 0 && errno == EAGAIN) continue;
      if (got == 0 && received[c] > 0) done++;
      else failed++;
      close(fds[c]);
      received[c] = 0;
      fds[c] = open_request(epoll, a, c);
    }
  }
  printf("%.1f %lld\n", (double)done * 1e9 / (double)(now() - start), (long long)failed);
}

static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/*
 * Requests are due at fixed times whatever the answers do, and each one's latency counts from when it was due: a stall
 * shows in every request that it delayed, not in one only (coordinated omission).
 */
static void latency(const struct address *a, int count, double rate, int64_t duration) {
  int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  int *fds = calloc((size_t)count, sizeof *fds), *idle = calloc((size_t)count, sizeof *idle), idling = 0;
  int64_t *due = calloc((size_t)count, sizeof *due);
  int64_t interval = (int64_t)(1e9 / rate), total = duration / interval, sent = 0, answered = 0;
  int64_t *samples = calloc((size_t)total, sizeof *samples);
  struct epoll_event events[256];
  char buffer[4096];
  for (int i = 0; i < count; i++) {
    fds[i] = dial(a);
    watch(epoll, fds[i], EPOLLIN, (uint32_t)i);
    idle[idling++] = i;
  }
  watch(epoll, timer, EPOLLIN, (uint32_t)count);
  int64_t start = now() + 10000000, deadline = start + duration + 5000000000;
  while (answered < total && now() < deadline) {
    while (sent < total && idling > 0 && now() >= start + sent * interval) {
      int c = idle[--idling];
      due[c] = start + sent++ * interval;
      if (write(fds[c], keep, sizeof keep - 1) != sizeof keep - 1) die("write");
    }
    if (sent < total && idling > 0) {
      int64_t next = start + sent * interval;
      struct itimerspec at = {.it_value = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000}};
      timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    }
    int n = epoll_wait(epoll, events, 256, 100);
    for (int i = 0; i < n; i++) {
      int c = (int)events[i].data.u32;
      if (c == count) {
        if (read(timer, buffer, 8) < 0 && errno != EAGAIN) die("read");
        continue;
      }
      /* The answer is small and comes whole. */
      ssize_t got = read(fds[c], buffer, sizeof buffer);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) die("connection lost");
      samples[answered++] = now() - due[c];
      idle[idling++] = c;
    }
  }
  if (answered == 0) die("no answer");
  double seconds = (double)(now() - start) / 1e9;
  qsort(samples, (size_t)answered, sizeof *samples, ascending);
  double at[] = {0.5, 0.99, 0.999};
  for (int i = 0; i < 3; i++) printf("%.1f ", (double)samples[(int64_t)((double)(answered - 1) * at[i])] / 1e3);
  printf("%.0f\n", (double)answered / seconds);
}

static void hold_idle(const struct address *a, int count) {
  char buffer[4096];
  for (int i = 0; i < count; i++) {
    int fd = dial(a);
    fcntl(fd, F_SETFL, 0);
    if (write(fd, keep, sizeof keep - 1) != sizeof keep - 1 || read(fd, buffer, sizeof buffer) <= 0) die("request");
  }
  puts("ready");
  fflush(stdout);
  while (read(0, buffer, sizeof buffer) > 0) continue;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  struct address a = parse_address(argv[2]);
  int n = atoi(argv[3]);
  if (!strcmp(argv[1], "connections") && argc == 5) connections(&a, n, atoll(argv[4]) * 1000000);
  else if (!strcmp(argv[1], "latency") && argc == 6) latency(&a, n, atof(argv[4]), atoll(argv[5]) * 1000000);
  else if (!strcmp(argv[1], "idle") && argc == 4) hold_idle(&a, n);
  else return 2;
  return 0;
}
