/* kqueue(2) and kevent(2) on epoll, after bsd/kern/kern_event.c. */
#include "kqueue.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

static struct kqueue *kqueues;
static pthread_mutex_t kqueues_lock = PTHREAD_MUTEX_INITIALIZER;

void watch(int epoll, int operation, int fd, u32 events, u64 tag) {
  struct epoll_event e = {.events = events, .data.u64 = tag};
  if (epoll_ctl(epoll, operation, fd, &e) != 0) errno = 0;
}

int mac_kqueue(void) {
  int epoll = new_descriptor(epoll_create1(EPOLL_CLOEXEC));
  if (epoll < 0) return -1;
  struct kqueue *q = calloc(1, sizeof *q);
  pthread_mutex_init(&q->lock, NULL);
  q->epoll = epoll;
  for (int side = 0; side < SIDES; side++) {
    q->sides[side] = out_of_the_way(epoll_create1(EPOLL_CLOEXEC));
    watch(epoll, EPOLL_CTL_ADD, q->sides[side], EPOLLIN, TAG_READERS + side);
  }
  q->wake = out_of_the_way(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  watch(epoll, EPOLL_CTL_ADD, q->wake, EPOLLIN, TAG_WAKE);
  q->last_tag = FIRST_TAG;
  pthread_mutex_lock(&kqueues_lock);
  q->next = kqueues;
  kqueues = q;
  pthread_mutex_unlock(&kqueues_lock);
  return epoll;
}

static struct kqueue *find_kqueue(int fd) {
  pthread_mutex_lock(&kqueues_lock);
  struct kqueue *q = kqueues;
  while (q && q->epoll != fd) q = q->next;
  pthread_mutex_unlock(&kqueues_lock);
  return q;
}

/* Where the knote of a filter and a descriptor is, or would be; NULL: there can be no such descriptor. */
static struct knote **descriptor_slot(struct kqueue *q, u64 fd, int side) {
  if (fd >= MAX_FD) return NULL;
  if ((int)fd >= q->by_fd_size) {
    int size = q->by_fd_size ? q->by_fd_size : 64;
    while (size <= (int)fd) size *= 2;
    for (int s = 0; s < SIDES; s++) {
      q->by_fd[s] = realloc(q->by_fd[s], size * sizeof *q->by_fd[s]);
      memset(q->by_fd[s] + q->by_fd_size, 0, (size - q->by_fd_size) * sizeof *q->by_fd[s]);
    }
    q->by_fd_size = size;
  }
  return &q->by_fd[side][fd];
}
static struct knote **slot(struct kqueue *q, u64 ident, int filter) {
  if (side_of(filter) >= 0) return descriptor_slot(q, ident, side_of(filter));
  struct knote **at = &q->others;
  while (*at && ((*at)->k.ident != ident || (*at)->k.filter != filter)) at = &(*at)->next;
  return at;
}

static void force(struct kqueue *q, struct knote *knote, bool on) {
  if (knote->forced != on) {
    knote->forced = on;
    q->forced += on ? 1 : -1;
  }
  u64 one = 1;
  if (on && write(q->wake, &one, sizeof one) < 0) errno = 0;
}

/* A state that the program has brought about itself, and of which epoll tells nothing. */
static bool ended_by_program(const struct knote *knote) {
  int fd = knote->k.ident;
  const struct descriptor *d = descriptor(fd);
  if (!d->type) return false;
  return knote->k.filter == EVFILT_WRITE ? cannot_send(fd) : (d->shut & SHUT_READ) != 0;
}

/* Asks epoll for the knote's descriptor; asked again, an edge-triggered registration tells its state once more. */
static int arm(struct kqueue *q, struct knote *knote) {
  int side = side_of(knote->k.filter), fd = knote->k.ident;
  struct epoll_event e = {.events = side == READERS ? EPOLLIN | EPOLLRDHUP : EPOLLOUT, .data.u64 = fd};
  if (knote->k.flags & EV_CLEAR) e.events |= EPOLLET;
  int result = epoll_ctl(q->sides[side], EPOLL_CTL_MOD, fd, &e);
  if (result != 0 && errno == ENOENT) result = epoll_ctl(q->sides[side], EPOLL_CTL_ADD, fd, &e);
  int error = result == 0 ? 0 : errno;
  errno = 0;
  knote->always = error == EPERM;
  if (error && error != EPERM) return darwin_error(error);
  if (knote->always || ended_by_program(knote)) force(q, knote, true);
  return 0;
}

/* Stops or resumes looking at a knote. */
static void disable(struct kqueue *q, struct knote *knote) {
  int side = side_of(knote->k.filter);
  knote->disabled = true;
  if (side >= 0)
    watch(q->sides[side], EPOLL_CTL_DEL, knote->k.ident, 0, 0);
  else if (knote->fd >= 0)
    watch(q->epoll, EPOLL_CTL_MOD, knote->fd, 0, knote->tag);
  force(q, knote, false);
}
static int enable(struct kqueue *q, struct knote *knote) {
  knote->disabled = false;
  if (side_of(knote->k.filter) >= 0) return arm(q, knote);
  if (knote->fd >= 0) watch(q->epoll, EPOLL_CTL_MOD, knote->fd, EPOLLIN, knote->tag);
  return 0;
}

static void drop(struct kqueue *q, struct knote **at) {
  struct knote *knote = *at;
  bool is_descriptor = side_of(knote->k.filter) >= 0;
  disable(q, knote);
  *at = is_descriptor ? NULL : knote->next;
  if (!is_descriptor && knote->fd >= 0) {
    watch(q->epoll, EPOLL_CTL_DEL, knote->fd, 0, 0);
    if (knote->k.filter != EVFILT_MACHPORT) syscall(SYS_close, knote->fd);
  }
  free(knote);
}

static int attach(struct kqueue *q, struct knote **at, const struct d_kevent *change) {
  struct knote *knote = calloc(1, sizeof *knote);
  *knote = (struct knote){.k = *change, .fd = -1, .tag = q->last_tag++, .disabled = change->flags & EV_DISABLE};
  knote->k.flags &= EV_ONESHOT | EV_CLEAR | EV_DISPATCH;
  int error = 0;
  if (side_of(change->filter) < 0) {
    error = attach_filter(knote);
    if (!error && knote->fd >= 0) watch(q->epoll, EPOLL_CTL_ADD, knote->fd, knote->disabled ? 0 : EPOLLIN, knote->tag);
  } else if (!knote->disabled) {
    error = arm(q, knote);
  }
  if (error)
    free(knote);
  else
    *at = knote;
  return error;
}

/* kevent_register(): a touch changes udata, fflags and data, never the flags of a knote. Returns Darwin's errno. */
static int change_knote(struct kqueue *q, const struct d_kevent *change) {
  struct knote **at = slot(q, change->ident, change->filter), *knote = at ? *at : NULL;
  if (!at) return D_EBADF;
  if (!knote) {
    if (side_of(change->filter) >= 0 && fcntl(change->ident, F_GETFD) < 0) return errno = 0, D_EBADF;
    if (change->flags & EV_DELETE || !(change->flags & EV_ADD)) return D_ENOENT;
    int error = attach(q, at, change);
    if (error) return error;
    knote = *at;
  } else if (change->flags & EV_DELETE) {
    drop(q, at);
    return 0;
  } else {
    knote->k.udata = change->udata;
    if (change->filter != EVFILT_USER) {
      knote->k.fflags = change->fflags;
      knote->k.data = change->data;
    }
    if (change->filter == EVFILT_TIMER) set_timer(knote);
    if (change->flags & EV_DISABLE)
      disable(q, knote);
    else if (change->flags & EV_ENABLE || !knote->disabled)
      enable(q, knote);
  }
  if (change->filter == EVFILT_USER && change->fflags & NOTE_TRIGGER) trigger(knote);
  return 0;
}

/* knote_process(): what becomes of a knote whose event is being told. */
static void told(struct kqueue *q, struct knote **at) {
  struct knote *knote = *at;
  if (knote->k.flags & EV_ONESHOT)
    drop(q, at);
  else if (knote->k.flags & EV_DISPATCH)
    disable(q, knote);
  else if (knote->k.flags & EV_CLEAR)
    force(q, knote, false);
}

static int collect_forced(struct kqueue *q, struct d_kevent *events, int max) {
  int count = 0;
  for (int side = 0; side < SIDES && q->forced; side++) {
    for (int fd = 0; fd < q->by_fd_size && count < max; fd++) {
      struct knote **at = &q->by_fd[side][fd];
      if (!*at || !(*at)->forced || (*at)->disabled) continue;
      struct pollfd p = {.fd = fd, .events = side == READERS ? POLLIN | POLLRDHUP : POLLOUT};
      if (poll(&p, 1, 0) < 0) errno = 0;
      if (check_socket(*at, (u16)p.revents, &events[count])) {
        count++;
        told(q, at);
      } else {
        force(q, *at, false);
      }
    }
  }
  return count;
}

static int collect_side(struct kqueue *q, int side, struct d_kevent *events, int max) {
  enum { BATCH = 256 };
  struct epoll_event ready[BATCH];
  int count = 0, got = epoll_wait(q->sides[side], ready, max < BATCH ? max : BATCH, 0);
  for (int i = 0; i < got; i++) {
    struct knote **at = descriptor_slot(q, ready[i].data.u64, side);
    /* Those that are forced are told after this, once. */
    if (!at || !*at || (*at)->disabled || (*at)->forced) continue;
    if (check_socket(*at, ready[i].events, &events[count])) {
      count++;
      told(q, at);
    }
  }
  return count;
}

static int collect_other(struct kqueue *q, u64 tag, struct d_kevent *event) {
  struct knote **at = &q->others;
  while (*at && (*at)->tag != tag) at = &(*at)->next;
  if (!*at || (*at)->disabled || !check_other(*at, event)) return 0;
  told(q, at);
  return 1;
}

static int collect(struct kqueue *q, u64 tag, struct d_kevent *events, int max) {
  u64 count;
  switch (tag) {
  case TAG_READERS: return collect_side(q, READERS, events, max);
  case TAG_WRITERS: return collect_side(q, WRITERS, events, max);
  case TAG_WAKE:
    if (read(q->wake, &count, sizeof count) < 0) errno = 0;
    return 0;
  default: return collect_other(q, tag, events);
  }
}

static i64 monotonic(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Waits for events until the timeout, which with NULL is never. */
static int scan(struct kqueue *q, struct d_kevent *events, int max, const struct timespec *timeout) {
  enum { BATCH = 64 };
  const i64 a_year = 365ll * 86400 * 1000000000;
  i64 until = 0;
  if (timeout) {
    i64 wait = timeout->tv_sec >= 365 * 86400 ? a_year : timeout->tv_sec * 1000000000ll + timeout->tv_nsec;
    until = monotonic() + wait;
  }
  for (;;) {
    pthread_mutex_lock(&q->lock);
    bool at_once = q->forced > 0;
    pthread_mutex_unlock(&q->lock);
    i64 left = timeout && !at_once ? until - monotonic() : 0;
    if (left < 0) left = 0;
    struct timespec wait = {left / 1000000000, left % 1000000000};
    struct epoll_event ready[BATCH];
    unsigned before = parked;
    int got = syscall(SYS_epoll_pwait2, q->epoll, ready, BATCH, at_once || timeout ? &wait : NULL, NULL, 8);
    if (got < 0) {
      if (errno != EINTR || before == parked) return -1;
      errno = 0;
    }
    /* What epoll tells goes first: what comes while the forced are looked at makes a new edge. */
    int count = 0;
    pthread_mutex_lock(&q->lock);
    for (int i = 0; i < got && count < max; i++) count += collect(q, ready[i].data.u64, events + count, max - count);
    count += collect_forced(q, events + count, max - count);
    pthread_mutex_unlock(&q->lock);
    errno = 0;
    if (count || (timeout && monotonic() >= until)) return count;
  }
}

static void trace_event(int fd, const char *what, const struct d_kevent *k) {
  trace("kqueue %d %s: ident %ld filter %d flags 0x%x fflags 0x%x data %ld udata %lx", fd, what, (long)k->ident,
        k->filter, k->flags, k->fflags, (long)k->data, (long)k->udata);
}

/* Both calls; `size` is that of their structure. */
static int run(int fd, const u8 *changes, int change_count, u8 *events, int max, u32 flags,
               const struct timespec *timeout, size_t size) {
  enum { MAX_EVENTS = 1024 };
  struct kqueue *q = find_kqueue(fd);
  if (!q) return fail(D_EBADF);
  int count = 0;
  for (int i = 0; i < change_count; i++) {
    struct d_kevent change = {0};
    memcpy(&change, changes + i * size, size);
    trace_event(fd, "change", &change);
    pthread_mutex_lock(&q->lock);
    int error = change_knote(q, &change);
    pthread_mutex_unlock(&q->lock);
    if (!error && !(change.flags & EV_RECEIPT)) continue;
    if (error) trace("kqueue %d change failed with error %d", fd, error);
    if (count >= max) return fail(error);
    change.flags |= EV_ERROR;
    change.data = error;
    memcpy(events + count++ * size, &change, size);
  }
  if (count || flags & KEVENT_FLAG_ERROR_EVENTS || max <= 0) return count;
  static const struct timespec at_once;
  struct d_kevent found[MAX_EVENTS];
  count = scan(q, found, max < MAX_EVENTS ? max : MAX_EVENTS, flags & KEVENT_FLAG_IMMEDIATE ? &at_once : timeout);
  for (int i = 0; i < count; i++) {
    memcpy(events + i * size, &found[i], size);
    trace_event(fd, "event", &found[i]);
  }
  return count;
}
int mac_kevent64(int fd, const void *changes, int change_count, void *events, int max, u32 flags,
                 const struct timespec *timeout) {
  return run(fd, changes, change_count, events, max, flags, timeout, KEVENT64_SIZE);
}
int mac_kevent(int fd, const void *changes, int change_count, void *events, int max, const struct timespec *timeout) {
  return run(fd, changes, change_count, events, max, 0, timeout, KEVENT_SIZE);
}

void kqueue_shut(int fd) {
  pthread_mutex_lock(&kqueues_lock);
  for (struct kqueue *q = kqueues; q; q = q->next) {
    pthread_mutex_lock(&q->lock);
    for (int side = 0; fd < q->by_fd_size && side < SIDES; side++) {
      struct knote *knote = q->by_fd[side][fd];
      if (knote && !knote->disabled && ended_by_program(knote)) force(q, knote, true);
    }
    pthread_mutex_unlock(&q->lock);
  }
  pthread_mutex_unlock(&kqueues_lock);
}

/* knote_fdclose() takes the knotes of a descriptor away. A kqueue itself stays in memory: a thread may wait in it. */
void kqueue_closing(int fd) {
  if (fd < 0 || fd >= MAX_FD) return;
  pthread_mutex_lock(&kqueues_lock);
  for (struct kqueue **at = &kqueues; *at;) {
    struct kqueue *q = *at;
    pthread_mutex_lock(&q->lock);
    for (int side = 0; fd < q->by_fd_size && side < SIDES; side++)
      if (q->by_fd[side][fd]) drop(q, &q->by_fd[side][fd]);
    pthread_mutex_unlock(&q->lock);
    if (q->epoll == fd) {
      *at = q->next;
      for (int side = 0; side < SIDES; side++) syscall(SYS_close, q->sides[side]);
      syscall(SYS_close, q->wake);
    } else {
      at = &q->next;
    }
  }
  pthread_mutex_unlock(&kqueues_lock);
}
