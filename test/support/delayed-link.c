/* delayed-link MICROSECONDS NEAR FAR: two TUN devices named "link", one in each of the two network namespaces (paths of
   ip-netns(8)), and packets carried between them that long after they were sent. It stands in for netem, which not every
   kernel has. Says "ready" once both devices are there; the lines "down" and "up" on stdin drop all packets and carry them
   again, each answered with the same line once it holds. It ends with stdin, and the devices with it. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* The longest IP packet, and so the largest MTU. */
#define LONGEST 65535
/* What may be on its way in one direction: 1 GB/s at a round trip of 128 ms. */
#define CAPACITY (64u << 20)
/* How many packets are taken at once before the other direction has its turn. */
#define BATCH 64

struct packet {
  int64_t due;
  uint32_t length;
  uint32_t size; /* with this header, up to the next packet */
  char bytes[];
};

/* One direction. Packets are due in the order in which they came, so a ring is enough. No packet is split: what is left
   at the ring's end and may be too short for one is skipped, and `wrap` is where the packets before it end. */
struct direction {
  int source, sink;
  char *ring;
  size_t head, tail, wrap;
};

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int open_device(const char *namespace) {
  int fd = open(namespace, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) err(1, "%s", namespace);
  close(fd);
  /* The device belongs to the namespace in which it was opened. */
  int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request = {.ifr_name = "link", .ifr_flags = IFF_TUN | IFF_NO_PI};
  if (device < 0 || ioctl(device, TUNSETIFF, &request) != 0) err(1, "/dev/net/tun");
  return device;
}

static struct direction make_direction(int source, int sink) {
  char *ring = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (ring == MAP_FAILED) err(1, "mmap");
  return (struct direction){.source = source, .sink = sink, .ring = ring};
}

static bool is_empty(const struct direction *way) { return way->head == way->tail && way->wrap == 0; }

static void discard(struct direction *way) { way->head = way->tail = way->wrap = 0; }

/* Room for one more packet of any length, or NULL; the device's own queue holds the packets meanwhile. */
static struct packet *free_packet(struct direction *way) {
  const size_t most = sizeof(struct packet) + LONGEST + 8;
  if (is_empty(way)) discard(way);
  if (way->wrap == 0 && CAPACITY - way->tail < most && way->head > most) {
    way->wrap = way->tail;
    way->tail = 0;
  }
  const size_t end = way->wrap == 0 ? CAPACITY : way->head;
  /* Not filled to the last byte: head == tail with wrap == 0 means empty. */
  return end - way->tail > most ? (struct packet *)(way->ring + way->tail) : NULL;
}

static void take(struct direction *way, int64_t delay, bool up) {
  for (int count = 0; count < BATCH; count++) {
    struct packet *packet = free_packet(way);
    if (packet == NULL) return;
    ssize_t length = read(way->source, packet->bytes, LONGEST);
    if (length <= 0) return;
    if (!up) continue;
    packet->due = now() + delay;
    packet->length = length;
    packet->size = (sizeof *packet + length + 7) & ~7u;
    way->tail += packet->size;
  }
}

static struct packet *first(struct direction *way) {
  if (way->wrap != 0 && way->head == way->wrap) way->head = way->wrap = 0;
  return is_empty(way) ? NULL : (struct packet *)(way->ring + way->head);
}

/* Hands over what is due. A packet that the kernel does not take is lost, as on any link. */
static void deliver(struct direction *way) {
  const int64_t time = now();
  struct packet *packet;
  while ((packet = first(way)) != NULL && packet->due <= time) {
    if (write(way->sink, packet->bytes, packet->length) < 0) warn("a packet of %u bytes", packet->length);
    way->head += packet->size;
  }
}

/* Obeys the lines on stdin and returns whether the link is up from now on. */
static bool obey(bool up, struct direction ways[2]) {
  static char line[16];
  static size_t length;
  char byte;
  if (read(STDIN_FILENO, &byte, 1) <= 0) exit(0);
  if (byte != '\n') {
    if (length < sizeof line - 1) line[length++] = byte;
    return up;
  }
  line[length] = '\0';
  length = 0;
  up = strcmp(line, "up") == 0;
  if (!up) for (int index = 0; index < 2; index++) discard(&ways[index]);
  puts(up ? "up" : "down");
  return up;
}

int main(int argc, char **argv) {
  if (argc != 4) errx(2, "usage: delayed-link MICROSECONDS NEAR FAR");
  const int64_t delay = atoll(argv[1]) * 1000;
  const int near = open_device(argv[2]), far = open_device(argv[3]);
  struct direction ways[] = {make_direction(near, far), make_direction(far, near)};
  bool up = true;
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ready");
  for (;;) {
    struct pollfd watched[] = {
        {.fd = STDIN_FILENO, .events = POLLIN}, {.fd = near, .events = POLLIN}, {.fd = far, .events = POLLIN}};
    int64_t due = INT64_MAX;
    for (int index = 0; index < 2; index++) {
      const struct packet *packet = first(&ways[index]);
      if (packet != NULL && packet->due < due) due = packet->due;
      /* Full: the next delivery makes room. */
      if (free_packet(&ways[index]) == NULL) watched[1 + index].fd = -1;
    }
    const int64_t wait = due > now() ? due - now() : 0;
    const struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    ppoll(watched, 3, due == INT64_MAX ? NULL : &timeout, NULL);
    if (watched[0].revents != 0) up = obey(up, ways);
    for (int index = 0; index < 2; index++) {
      if (watched[1 + index].revents != 0) take(&ways[index], delay, up);
      deliver(&ways[index]);
    }
  }
}
