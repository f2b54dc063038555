/* kqueue's filters: when a knote is ready, and what its event says. */
#include "kqueue.h"
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

/* The flags of a knote that its events have too (bsd/kern/kern_event.c, knote_fill_kevent). */
enum { TOLD_FLAGS = EV_ONESHOT | EV_CLEAR | EV_DISPATCH | EV_EOF };

static void begin_event(const struct knote *knote, struct d_kevent *event) {
  *event = knote->k;
  event->flags &= TOLD_FLAGS;
  event->fflags = 0;
  event->data = 0;
}

static int socket_option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : 0;
}

static int waiting(int fd, unsigned long direction) {
  int bytes = 0;
  return ioctl(fd, direction, &bytes) == 0 ? bytes : 0;
}

static void check_end(struct knote *knote, struct d_kevent *event) {
  event->flags |= EV_EOF;
  event->fflags = descriptor(knote->k.ident)->so_error;
}

/* bsd/kern/uipc_socket.c, filt_soread_common */
static bool check_read(struct knote *knote, u32 ready, struct d_kevent *event) {
  int fd = knote->k.ident;
  const struct descriptor *d = descriptor(fd);
  if (knote->always) {
    struct stat status;
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) event->data = status.st_size - at;
    return true;
  }
  if (d->type && socket_option(fd, SO_ACCEPTCONN)) {
    event->data = 1; /* so_qlen, which Linux does not tell */
    return true;
  }
  event->data = waiting(fd, FIONREAD);
  if (!d->type) {
    if (ready & EPOLLHUP) event->flags |= EV_EOF;
    return true;
  }
  if (ready & EPOLLERR) note_error(fd);
  if (ready & (EPOLLRDHUP | EPOLLHUP) || d->shut & SHUT_READ) {
    check_end(knote, event);
    return true;
  }
  if (d->so_error || !(knote->k.fflags & NOTE_LOWAT)) return true;
  int high_water = socket_option(fd, SO_RCVBUF) / 2;
  return event->data >= (knote->k.data < high_water ? knote->k.data : high_water);
}

/* filt_sowrite_common; when there is room enough is Linux's decision */
static bool check_write(struct knote *knote, u32 ready, struct d_kevent *event) {
  int fd = knote->k.ident;
  if (knote->always) return true;
  if (!descriptor(fd)->type) {
    event->data =
        4096; /* PIPE_BUF is 512 there; a pipe's reader gone is the end (bsd/kern/sys_pipe.c, filt_pipewrite) */
    if (ready & EPOLLERR) event->flags |= EV_EOF;
    return true;
  }
  if (ready & EPOLLERR) note_error(fd);
  int room = socket_option(fd, SO_SNDBUF) / 2 - waiting(fd, SIOCOUTQ);
  event->data = room > 0 ? room : 1;
  if (cannot_send(fd)) {
    check_end(knote, event);
    return true;
  }
  return ready & (EPOLLOUT | EPOLLERR | EPOLLHUP);
}

bool check_socket(struct knote *knote, u32 ready, struct d_kevent *event) {
  int saved = errno;
  begin_event(knote, event);
  bool result = (knote->k.filter == EVFILT_READ ? check_read : check_write)(knote, ready, event);
  errno = saved;
  knote->k.flags |= event->flags & EV_EOF;
  return result;
}

void set_timer(struct knote *knote) {
  u32 unit = knote->k.fflags;
  i64 nanoseconds = knote->k.data * (unit & NOTE_SECONDS                      ? 1000000000
                                     : unit & NOTE_USECONDS                   ? 1000
                                     : unit & (NOTE_NSECONDS | NOTE_MACHTIME) ? 1
                                                                              : 1000000);
  /* A timer of zero fires at once; timerfd would not fire at all. */
  if (nanoseconds <= 0) nanoseconds = 1;
  struct itimerspec times = {.it_value = {nanoseconds / 1000000000, nanoseconds % 1000000000}};
  if (!(knote->k.flags & EV_ONESHOT)) times.it_interval = times.it_value;
  timerfd_settime(knote->fd, unit & NOTE_ABSOLUTE ? TFD_TIMER_ABSTIME : 0, &times, NULL);
}

/* proc_find() does not find a zombie: ESRCH (bsd/kern/kern_event.c, filt_procattach). */
static bool is_running(pid_t pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "re");
  if (!file) return false;
  char *name_end = fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
  fclose(file);
  return name_end && name_end[2] != 'Z' && name_end[2] != 'X';
}

static int open_filter(struct knote *knote) {
  switch (knote->k.filter) {
  case EVFILT_TIMER: {
    int clock = knote->k.fflags & NOTE_ABSOLUTE ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    return timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC);
  }
  case EVFILT_PROC: return syscall(SYS_pidfd_open, (int)knote->k.ident, 0);
  default: return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  }
}

int attach_filter(struct knote *knote) {
  switch (knote->k.filter) {
  case EVFILT_VNODE: return 0; /* accepted, and never told */
  case EVFILT_MACHPORT: knote->fd = port_descriptor(knote->k.ident); return knote->fd < 0 ? D_ENOENT : 0;
  case EVFILT_PROC:
    if (!is_running(knote->k.ident)) return errno = 0, D_ESRCH;
    knote->k.flags |= EV_CLEAR;
    break;
  case EVFILT_TIMER:
    knote->k.flags |= EV_CLEAR; /* filt_timerattach */
    if (knote->k.fflags & NOTE_ABSOLUTE) knote->k.flags |= EV_ONESHOT;
    break;
  case EVFILT_USER: break;
  default: fprintf(stderr, "macrun: filter %d of kevent is not implemented\n", knote->k.filter); return D_EINVAL;
  }
  knote->fd = open_filter(knote);
  if (knote->fd < 0) return errno = 0, knote->k.filter == EVFILT_PROC ? D_ESRCH : D_EMFILE;
  knote->fd = out_of_the_way(knote->fd);
  if (knote->k.filter == EVFILT_TIMER) set_timer(knote);
  return 0;
}

void trigger(struct knote *knote) {
  u64 one = 1;
  if (write(knote->fd, &one, sizeof one) < 0) errno = 0;
}

/* As wait(2) has it, with Darwin's numbers of signals; the process stays to be waited for. */
static int exit_status(pid_t pid) {
  siginfo_t info = {0};
  if (waitid(P_PID, pid, &info, WEXITED | WNOWAIT | WNOHANG) != 0 || !info.si_pid) return 0;
  if (info.si_code == CLD_EXITED) return (info.si_status & 0xff) << 8;
  return darwin_signal(info.si_status) | (info.si_code == CLD_DUMPED ? 0x80 : 0);
}

bool check_other(struct knote *knote, struct d_kevent *event) {
  u64 count = 0;
  begin_event(knote, event);
  switch (knote->k.filter) {
  case EVFILT_TIMER:
    if (read(knote->fd, &count, sizeof count) < 0) return errno = 0, false;
    event->data = count;
    return true;
  case EVFILT_USER:
    event->fflags = knote->k.fflags & NOTE_FFLAGSMASK;
    event->data = knote->k.data;
    /* Until it is told under EV_CLEAR it stays triggered (filt_userprocess). */
    if (knote->k.flags & EV_CLEAR && read(knote->fd, &count, sizeof count) < 0) return errno = 0, false;
    return true;
  case EVFILT_MACHPORT: return port_receive(knote->k.ident);
  case EVFILT_PROC:
    /* filt_procevent: the last event of a process takes its knote away */
    knote->k.flags |= EV_EOF | EV_ONESHOT;
    event->flags |= EV_EOF | EV_ONESHOT;
    event->fflags = knote->k.fflags & (NOTE_EXIT | NOTE_EXITSTATUS);
    if (knote->k.fflags & NOTE_EXITSTATUS) event->data = exit_status(knote->k.ident);
    errno = 0;
    return true;
  }
  return false;
}
