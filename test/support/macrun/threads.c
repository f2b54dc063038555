/*
 * Threads: creation, thread-specific data below %gs, and suspension, for which JavaScriptCore's collector asks by
 * thread_suspend() of Mach and which a signal does here.
 */
#include "futex.h"
#include "macrun.h"
#include <asm/prctl.h>
#include <ucontext.h>

__thread unsigned parked;

struct thread {
  struct thread *next;
  pthread_t id;
  pid_t tid;
  u32 state;           /* how many suspensions are in force, and PARKED */
  ucontext_t *context; /* its registers while it is parked */
};
static struct thread *threads;
static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;
static __thread struct thread *self;
static pthread_key_t leave_key;

/* A thread that sees this beside a count of zero goes on, and takes it away in one step. */
enum { PARKED = 0x10000 };
#define PARK_SIGNAL (SIGRTMIN + 7)

static void park(int, siginfo_t *, void *context) {
  int saved = errno;
  parked++;
  self->context = context;
  __atomic_fetch_or(&self->state, PARKED, __ATOMIC_SEQ_CST);
  futex_wake(&self->state, INT_MAX);
  for (;;) {
    u32 none = PARKED;
    if (__atomic_compare_exchange_n(&self->state, &none, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) break;
    futex_wait(&self->state, none, NULL);
  }
  errno = saved;
}

/* Thread-specific data. The first slots are libpthread's own, and 10 to 256 are for Apple's libraries. */

enum { FIRST_KEY = 257, DESTRUCTOR_ROUNDS = 4 };
static struct {
  bool used;
  void (*destroy)(void *);
} keys[TSD_SLOTS];

int mac_pthread_key_create(u64 *key, void (*destroy)(void *)) {
  pthread_mutex_lock(&threads_lock);
  int i = FIRST_KEY;
  while (i < TSD_SLOTS && (keys[i].used || i == TLV_SLOT)) i++;
  if (i < TSD_SLOTS) {
    keys[i].used = true;
    keys[i].destroy = destroy;
    *key = i;
  }
  pthread_mutex_unlock(&threads_lock);
  return i < TSD_SLOTS ? 0 : D_EAGAIN;
}
int mac_pthread_key_delete(u64 key) {
  if (key < TSD_SLOTS) keys[key].used = false;
  return 0;
}
void *mac_pthread_getspecific(u64 key) { return key < TSD_SLOTS ? tsd[key] : NULL; }
int mac_pthread_setspecific(u64 key, void *value) {
  if (key >= TSD_SLOTS) return D_EINVAL;
  tsd[key] = value;
  return 0;
}

/* Runs when a thread ends. Its block of thread-local variables stays: destructors of C++ may run later. */
static void leave(void *thread) {
  bool again = true;
  for (int round = 0; again && round < DESTRUCTOR_ROUNDS; round++) {
    again = false;
    for (int i = FIRST_KEY; i < TSD_SLOTS; i++) {
      void *value = tsd[i];
      if (i == TLV_SLOT || !keys[i].used || !value) continue;
      tsd[i] = NULL;
      if (!keys[i].destroy) continue;
      again = true;
      keys[i].destroy(value);
    }
  }
  pthread_mutex_lock(&threads_lock);
  struct thread **at = &threads;
  while (*at && *at != thread) at = &(*at)->next;
  if (*at) *at = (*at)->next;
  pthread_mutex_unlock(&threads_lock);
}

static void prepare_process(void) {
  pthread_key_create(&leave_key, leave);
  struct sigaction action = {.sa_sigaction = park, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigfillset(&action.sa_mask);
  sigaction(PARK_SIGNAL, &action, NULL);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, PARK_SIGNAL);
  sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

void enter_thread(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare_process);
  /* Of libpthread's own slots the program reads the first, which has the address of the thread itself. */
  tsd[0] = tsd;
  syscall(SYS_arch_prctl, ARCH_SET_GS, tsd);
  self = calloc(1, sizeof *self);
  self->id = pthread_self();
  self->tid = syscall(SYS_gettid);
  pthread_mutex_lock(&threads_lock);
  self->next = threads;
  threads = self;
  pthread_mutex_unlock(&threads_lock);
  pthread_setspecific(leave_key, self);
}

/* The child has this thread alone, under another number. */
void threads_after_fork(void) {
  pthread_mutex_init(&threads_lock, NULL);
  if (!self) return;
  self->next = NULL;
  self->tid = syscall(SYS_gettid);
  threads = self;
}

/* pthread_attr_t of Darwin is a signature of 8 bytes and 56 more, as many as glibc's object needs. */
_Static_assert(sizeof(pthread_attr_t) <= 56, "pthread_attr_t");
static pthread_attr_t *attributes(long *a) { return (pthread_attr_t *)(a + 1); }
int mac_pthread_attr_init(long *a) { return pthread_attr_init(attributes(a)); }
int mac_pthread_attr_destroy(long *a) { return pthread_attr_destroy(attributes(a)); }
int mac_pthread_attr_setdetachstate(long *a, int state) {
  int linux_state = state == D_PTHREAD_CREATE_DETACHED ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE;
  return pthread_attr_setdetachstate(attributes(a), linux_state);
}
int mac_pthread_attr_setstacksize(long *a, size_t size) {
  return darwin_error(pthread_attr_setstacksize(attributes(a), size));
}
int mac_pthread_attr_setstack(long *a, void *low, size_t size) {
  return darwin_error(pthread_attr_setstack(attributes(a), low, size));
}

struct start {
  void *(*function)(void *);
  void *argument;
};
static void *begin(void *given) {
  struct start start = *(struct start *)given;
  free(given);
  enter_thread();
  return start.function(start.argument);
}
int mac_pthread_create(pthread_t *thread, long *a, void *(*function)(void *), void *argument) {
  struct start *start = malloc(sizeof *start);
  *start = (struct start){function, argument};
  int error = pthread_create(thread, a ? attributes(a) : NULL, begin, start);
  if (error) free(start);
  return darwin_error(error);
}
int mac_pthread_detach(pthread_t thread) { return darwin_error(pthread_detach(thread)); }
int mac_pthread_join(pthread_t thread, void **result) { return darwin_error(pthread_join(thread, result)); }
void mac_pthread_exit(void *result) { pthread_exit(result); }
pthread_t mac_pthread_self(void) { return pthread_self(); }
int mac_pthread_equal(pthread_t a, pthread_t b) { return a == b; }
int mac_pthread_main_np(void) { return syscall(SYS_gettid) == getpid(); }
int mac_pthread_setname_np(const char *name) {
  char shortened[16];
  snprintf(shortened, sizeof shortened, "%s", name);
  return pthread_setname_np(pthread_self(), shortened);
}
int mac_pthread_setcancelstate(int, int *old) {
  if (old) *old = 1; /* PTHREAD_CANCEL_ENABLE */
  return 0;
}
int mac_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
  return pthread_atfork(prepare, parent, child);
}

/* A thread's port has the number that the system knows it by. */

static struct thread *by_id(pthread_t id) {
  pthread_mutex_lock(&threads_lock);
  struct thread *t = threads;
  while (t && t->id != id) t = t->next;
  pthread_mutex_unlock(&threads_lock);
  return t;
}
static struct thread *by_port(u32 port) {
  pthread_mutex_lock(&threads_lock);
  struct thread *t = threads;
  while (t && t->tid != (pid_t)port) t = t->next;
  pthread_mutex_unlock(&threads_lock);
  return t;
}
u32 mac_pthread_mach_thread_np(pthread_t id) {
  struct thread *t = by_id(id);
  return t ? t->tid : 0;
}
u32 mac_mach_thread_self(void) { return self ? self->tid : 0; }
int mac_pthread_threadid_np(pthread_t id, u64 *number) {
  struct thread *t = id ? by_id(id) : self;
  if (!t) return D_ESRCH;
  *number = t->tid;
  return 0;
}

/* The first thread has the stack that main.c made for it. */
static void find_stack(pthread_t id, void **top, size_t *size) {
  struct thread *t = by_id(id);
  if (t && t->tid == getpid()) {
    *top = main_stack_top;
    *size = main_stack_size;
    return;
  }
  pthread_attr_t a;
  void *low = NULL;
  *size = 0;
  if (pthread_getattr_np(id, &a) == 0) {
    pthread_attr_getstack(&a, &low, size);
    pthread_attr_destroy(&a);
  }
  *top = (u8 *)low + *size;
}
void *mac_pthread_get_stackaddr_np(pthread_t id) {
  void *top;
  size_t size;
  find_stack(id, &top, &size);
  return top;
}
size_t mac_pthread_get_stacksize_np(pthread_t id) {
  void *top;
  size_t size;
  find_stack(id, &top, &size);
  return size;
}

/* Returns when the thread has stopped. */
int mac_thread_suspend(u32 port) {
  struct thread *t = by_port(port);
  if (!t) return KERN_TERMINATED;
  bool first = __atomic_fetch_add(&t->state, 1, __ATOMIC_SEQ_CST) == 0;
  if (first && syscall(SYS_tgkill, getpid(), t->tid, PARK_SIGNAL) != 0) {
    __atomic_fetch_sub(&t->state, 1, __ATOMIC_SEQ_CST);
    return KERN_TERMINATED;
  }
  for (u32 now; !((now = __atomic_load_n(&t->state, __ATOMIC_SEQ_CST)) & PARKED);)
    futex_wait(&t->state, now, &(struct timespec){.tv_nsec = 1000000});
  return KERN_SUCCESS;
}
int mac_thread_resume(u32 port) {
  struct thread *t = by_port(port);
  if (!t) return KERN_TERMINATED;
  if (__atomic_sub_fetch(&t->state, 1, __ATOMIC_SEQ_CST) == PARKED) futex_wake(&t->state, INT_MAX);
  return KERN_SUCCESS;
}

/* x86_thread_state64_t, alone or after the header of x86_thread_state_t (<mach/i386/thread_status.h>). */
int mac_thread_get_state(u32 port, int flavor, u64 *state, u32 *) {
  enum { X86_THREAD_STATE64 = 4, X86_THREAD_STATE = 7, STATE64_WORDS = 42, GENERAL = 18 };
  static const int order[GENERAL] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RDI, REG_RSI, REG_RBP, REG_RSP, REG_R8,
                                     REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP, REG_EFL};
  struct thread *t = by_port(port);
  if (!t || !(t->state & PARKED)) return KERN_TERMINATED;
  if (flavor == X86_THREAD_STATE) {
    ((u32 *)state)[0] = X86_THREAD_STATE64;
    ((u32 *)state)[1] = STATE64_WORDS;
    state++;
  } else if (flavor != X86_THREAD_STATE64) {
    return KERN_INVALID_ARGUMENT;
  }
  for (int i = 0; i < GENERAL; i++) state[i] = t->context->uc_mcontext.gregs[order[i]];
  for (int i = GENERAL; i < STATE64_WORDS / 2; i++) state[i] = 0; /* %cs, %fs, %gs */
  return KERN_SUCCESS;
}
int mac_thread_info(u32, int, u32 *to, u32 *words) {
  memset(to, 0, *words * sizeof *to);
  return KERN_SUCCESS;
}
int mac_thread_set_exception_ports(u32, u32, u32, int, int) { return KERN_SUCCESS; }
int mac_thread_switch(u32, int option, u32 milliseconds) {
  if (option)
    usleep(milliseconds * 1000);
  else
    sched_yield();
  return KERN_SUCCESS;
}
