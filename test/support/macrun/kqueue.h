/* What kqueue.c and its filters share. */
#ifndef KQUEUE_H
#define KQUEUE_H

#include "macrun.h"

struct knote {
  struct knote *next; /* in the list of those that are not about descriptors */
  struct d_kevent k;  /* as the program has registered it; EV_EOF stays once it has been told */
  u64 tag;            /* of a knote with a descriptor of its own: its name in the epoll */
  int fd;             /* that descriptor, or -1 */
  bool disabled;      /* EV_DISABLE, or told under EV_DISPATCH */
  bool always;        /* about a file, which epoll does not take and which is always ready */
  bool forced;        /* to be looked at whatever epoll says */
};

/*
 * epoll has one registration for a descriptor, and kqueue two filters: so each side has an epoll of its own, and both
 * lie in the outer one, which is the kqueue's descriptor. Timers, processes, ports and user events have descriptors
 * there.
 */
enum { READERS, WRITERS, SIDES };
struct kqueue {
  struct kqueue *next;
  pthread_mutex_t lock; /* of all that follows */
  int epoll, sides[SIDES], wake;
  struct knote **by_fd[SIDES];
  int by_fd_size, forced;
  struct knote *others;
  u64 last_tag;
};
enum { TAG_READERS = 1, TAG_WRITERS, TAG_WAKE, FIRST_TAG = 16 };

/* The side of a filter, or -1. */
static inline int side_of(int filter) {
  return filter == EVFILT_READ ? READERS : filter == EVFILT_WRITE ? WRITERS : -1;
}

/* epoll_ctl(2) for a descriptor of macrun's own, which cannot fail in a way that matters. */
void watch(int epoll, int operation, int fd, u32 events, u64 tag);

/* filters.c */

/* Makes the descriptor of a knote that is not about one, in knote->fd. Returns Darwin's error number. */
int attach_filter(struct knote *knote);
void set_timer(struct knote *knote);
void trigger(struct knote *knote); /* NOTE_TRIGGER */

/* Whether the filter finds the knote ready, which is then told by *event. `ready` is what epoll says of the descriptor.
 */
bool check_socket(struct knote *knote, u32 ready, struct d_kevent *event);
bool check_other(struct knote *knote, struct d_kevent *event);

#endif
