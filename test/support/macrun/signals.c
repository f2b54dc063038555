/* Signals: Darwin's numbers, sets of 32 bits, sigaction and what a handler is given. */
#include "macrun.h"

/* By Darwin's number (bsd/sys/signal.h); 0: Linux has no such signal (SIGEMT, SIGINFO). */
static const u8 numbers[32] = {
    0,       SIGHUP, SIGINT,  SIGQUIT, SIGILL,    SIGTRAP, SIGABRT,  0,       SIGFPE,  SIGKILL, SIGBUS,
    SIGSEGV, SIGSYS, SIGPIPE, SIGALRM, SIGTERM,   SIGURG,  SIGSTOP,  SIGTSTP, SIGCONT, SIGCHLD, SIGTTIN,
    SIGTTOU, SIGIO,  SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, 0,       SIGUSR1, SIGUSR2,
};

int linux_signal(int darwin) { return darwin >= 0 && darwin < (int)LENGTH(numbers) ? numbers[darwin] : -1; }

int darwin_signal(int linux_signal) {
  for (int d = 1; d < (int)LENGTH(numbers); d++)
    if (numbers[d] == linux_signal) return d;
  return 0;
}

void linux_sigset(u32 darwin, sigset_t *set) {
  sigemptyset(set);
  for (int d = 1; d < (int)LENGTH(numbers); d++)
    if (darwin >> (d - 1) & 1 && numbers[d]) sigaddset(set, numbers[d]);
}

static u32 darwin_sigset(const sigset_t *set) {
  u32 darwin = 0;
  for (int d = 1; d < (int)LENGTH(numbers); d++)
    if (numbers[d] && sigismember(set, numbers[d]) == 1) darwin |= 1u << (d - 1);
  return darwin;
}

/* struct sigaction and siginfo_t */
struct d_sigaction {
  void *handler;
  u32 mask;
  int flags;
};
struct d_siginfo {
  int number, error, code, pid;
  u32 user;
  int status;
  void *address, *value;
  long band;
  u64 padding[7];
};
static struct d_sigaction actions[32];

/* Of the context (ucontext_t), whose registers are read through a pointer 48 bytes in, all is zero. */
enum { MCONTEXT_POINTER = 6, MCONTEXT = 16 };

static void deliver(int number, siginfo_t *l, void *) {
  int saved = errno, d = darwin_signal(number);
  struct d_siginfo info = {.number = d, .code = l->si_code == SI_USER ? D_SI_USER : l->si_code};
  if (number == SIGCHLD || l->si_code <= 0) {
    info.pid = l->si_pid;
    info.user = l->si_uid;
    if (number == SIGCHLD) info.status = l->si_status;
  } else {
    info.address = l->si_addr;
  }
  u64 context[128] = {0};
  context[MCONTEXT_POINTER] = (u64)(context + MCONTEXT);
  struct d_sigaction action = actions[d];
  if (action.flags & D_SA_RESETHAND) actions[d].handler = NULL;
  ((void (*)(int, void *, void *))action.handler)(d, &info, context);
  errno = saved;
}

/* A crash is to end the process as one, not to be taken by a handler that reports it as the program's. */
static bool is_crash(int number) {
  return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE || number == SIGTRAP ||
         number == SIGABRT;
}

static bool is_function(const void *handler) { return handler != (void *)SIG_DFL && handler != (void *)SIG_IGN; }

static int linux_flags(int flags) {
  return (flags & D_SA_ONSTACK ? SA_ONSTACK : 0) | (flags & D_SA_RESTART ? SA_RESTART : 0) |
         (flags & D_SA_RESETHAND ? SA_RESETHAND : 0) | (flags & D_SA_NOCLDSTOP ? SA_NOCLDSTOP : 0) |
         (flags & D_SA_NODEFER ? SA_NODEFER : 0) | (flags & D_SA_NOCLDWAIT ? SA_NOCLDWAIT : 0);
}

int mac_sigaction(int darwin, const struct d_sigaction *action, struct d_sigaction *old) {
  int number = linux_signal(darwin);
  if (darwin == D_SIGINFO || darwin == D_SIGEMT) {
    /* Nobody can send it here, so there is nothing to install. */
    if (old) *old = actions[darwin];
    if (action) actions[darwin] = *action;
    return 0;
  }
  if (number <= 0) return fail(D_EINVAL);
  struct sigaction now;
  if (sigaction(number, NULL, &now) != 0) return -1;
  if (old) {
    *old = actions[darwin];
    if (now.sa_sigaction != deliver)
      *old = (struct d_sigaction){.handler = (void *)now.sa_handler, .mask = darwin_sigset(&now.sa_mask)};
  }
  if (!action || (is_crash(number) && is_function(action->handler))) return 0;
  struct sigaction l = {.sa_flags = linux_flags(action->flags)};
  linux_sigset(action->mask, &l.sa_mask);
  if (is_function(action->handler)) {
    l.sa_sigaction = deliver;
    l.sa_flags |= SA_SIGINFO;
  } else {
    l.sa_handler = action->handler;
  }
  actions[darwin] = *action;
  return sigaction(number, &l, NULL);
}

void *mac_signal(int number, void *handler) {
  struct d_sigaction action = {.handler = handler, .flags = D_SA_RESTART}, old;
  return mac_sigaction(number, &action, &old) == 0 ? old.handler : (void *)SIG_ERR;
}

static int change_mask(int how, const u32 *set, u32 *old) {
  sigset_t s, o;
  if (set) linux_sigset(*set, &s);
  int linux_how = how == D_SIG_BLOCK ? SIG_BLOCK : how == D_SIG_UNBLOCK ? SIG_UNBLOCK : SIG_SETMASK;
  int error = pthread_sigmask(linux_how, set ? &s : NULL, &o);
  if (old) *old = darwin_sigset(&o);
  return darwin_error(error);
}
int mac_sigprocmask(int how, const u32 *set, u32 *old) {
  if (set && (how < D_SIG_BLOCK || how > D_SIG_SETMASK)) return fail(D_EINVAL);
  int error = change_mask(how, set, old);
  return error ? fail(error) : 0;
}
int mac_pthread_sigmask(int how, const u32 *set, u32 *old) { return change_mask(how, set, old); }
int mac_sigemptyset(u32 *set) {
  *set = 0;
  return 0;
}
int mac_sigaddset(u32 *set, int number) {
  *set |= 1u << (number - 1);
  return 0;
}

struct d_stack {
  void *base;
  size_t size;
  int flags;
};
int mac_sigaltstack(const struct d_stack *stack, struct d_stack *old) {
  stack_t s, o;
  if (stack) s = (stack_t){stack->base, stack->flags & D_SS_DISABLE ? SS_DISABLE : 0, stack->size};
  int result = sigaltstack(stack ? &s : NULL, &o);
  if (result != 0 || !old) return result;
  int flags = (o.ss_flags & SS_ONSTACK ? D_SS_ONSTACK : 0) | (o.ss_flags & SS_DISABLE ? D_SS_DISABLE : 0);
  *old = (struct d_stack){o.ss_sp, o.ss_size, flags};
  return 0;
}

int mac_kill(int pid, int darwin) {
  int number = linux_signal(darwin);
  if (number < 0 || (darwin != 0 && number == 0)) return fail(D_EINVAL);
  return kill(pid, number);
}
int mac_raise(int darwin) { return raise(linux_signal(darwin)); }
int mac_pause(void) { return pause(); }
