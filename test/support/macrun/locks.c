/*
 * Locks. Darwin's objects begin with a signature of 8 bytes; in the rest of each lies glibc's object, or a pointer to
 * it, made when a call first meets the object, since a static initialiser runs no code.
 */
#include "futex.h"
#include "macrun.h"
#include <semaphore.h>

#define READY 0x4d41435255ul
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static bool is_ready(const long *object) { return __atomic_load_n(object, __ATOMIC_ACQUIRE) == (long)READY; }

/* Whether the caller is the one to make it; then it calls made(). */
static bool to_be_made(const long *object) {
  if (is_ready(object)) return false;
  pthread_mutex_lock(&making);
  if (!is_ready(object)) return true;
  pthread_mutex_unlock(&making);
  return false;
}
static void made(long *object) {
  __atomic_store_n(object, READY, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&making);
}

static pthread_mutex_t *mutex(long *object) {
  pthread_mutex_t *m = (pthread_mutex_t *)(object + 1);
  if (!to_be_made(object)) return m;
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_settype(&a, *object == D_PTHREAD_RECURSIVE_MUTEX_SIG    ? PTHREAD_MUTEX_RECURSIVE
                                : *object == D_PTHREAD_ERRORCHECK_MUTEX_SIG ? PTHREAD_MUTEX_ERRORCHECK
                                                                            : PTHREAD_MUTEX_NORMAL);
  pthread_mutex_init(m, &a);
  made(object);
  return m;
}
/* Darwin's pthread_cond_t has 40 bytes after its signature, glibc's needs 48. */
static pthread_cond_t *condition(long *object) {
  if (to_be_made(object)) {
    pthread_cond_t *c = malloc(sizeof *c);
    pthread_cond_init(c, NULL);
    object[1] = (long)c;
    made(object);
  }
  return (pthread_cond_t *)object[1];
}
static pthread_rwlock_t *rwlock(long *object) {
  pthread_rwlock_t *l = (pthread_rwlock_t *)(object + 1);
  if (to_be_made(object)) {
    pthread_rwlock_init(l, NULL);
    made(object);
  }
  return l;
}
_Static_assert(sizeof(pthread_mutex_t) <= 56, "pthread_mutex_t");
_Static_assert(sizeof(pthread_rwlock_t) <= 192, "pthread_rwlock_t");

/* The type lies in the third word of pthread_mutexattr_t. */
int mac_pthread_mutexattr_init(int *a) {
  a[2] = 0;
  return 0;
}
int mac_pthread_mutexattr_settype(int *a, int type) {
  a[2] = type;
  return 0;
}
int mac_pthread_mutexattr_destroy(int *) { return 0; }
int mac_pthread_mutex_init(long *m, const int *a) {
  int type = a ? a[2] : 0;
  *m = type == D_PTHREAD_MUTEX_RECURSIVE    ? D_PTHREAD_RECURSIVE_MUTEX_SIG
       : type == D_PTHREAD_MUTEX_ERRORCHECK ? D_PTHREAD_ERRORCHECK_MUTEX_SIG
                                            : D_PTHREAD_MUTEX_SIG;
  mutex(m);
  return 0;
}
int mac_pthread_mutex_destroy(long *) { return 0; }
int mac_pthread_mutex_lock(long *m) { return darwin_error(pthread_mutex_lock(mutex(m))); }
int mac_pthread_mutex_trylock(long *m) { return darwin_error(pthread_mutex_trylock(mutex(m))); }
int mac_pthread_mutex_unlock(long *m) { return darwin_error(pthread_mutex_unlock(mutex(m))); }

int mac_pthread_cond_init(long *c, void *) {
  *c = 0;
  condition(c);
  return 0;
}
int mac_pthread_cond_destroy(long *c) {
  if (is_ready(c)) {
    pthread_cond_destroy((pthread_cond_t *)c[1]);
    free((void *)c[1]);
    *c = 0;
  }
  return 0;
}
int mac_pthread_cond_wait(long *c, long *m) { return darwin_error(pthread_cond_wait(condition(c), mutex(m))); }
int mac_pthread_cond_timedwait(long *c, long *m, const struct timespec *until) {
  return darwin_error(pthread_cond_timedwait(condition(c), mutex(m), until));
}
int mac_pthread_cond_signal(long *c) { return pthread_cond_signal(condition(c)); }
int mac_pthread_cond_broadcast(long *c) { return pthread_cond_broadcast(condition(c)); }

int mac_pthread_rwlock_destroy(long *) { return 0; }
int mac_pthread_rwlock_rdlock(long *l) { return darwin_error(pthread_rwlock_rdlock(rwlock(l))); }
int mac_pthread_rwlock_wrlock(long *l) { return darwin_error(pthread_rwlock_wrlock(rwlock(l))); }
int mac_pthread_rwlock_unlock(long *l) { return darwin_error(pthread_rwlock_unlock(rwlock(l))); }

int mac_pthread_once(long *once, void (*function)(void)) {
  pthread_once_t *o = (pthread_once_t *)(once + 1);
  if (to_be_made(once)) {
    *o = PTHREAD_ONCE_INIT;
    made(once);
  }
  return pthread_once(o, function);
}

/* std::mutex and std::condition_variable of libc++ are Darwin's objects too. */
void mac__ZNSt3__15mutex4lockEv(long *m) { pthread_mutex_lock(mutex(m)); }
void mac__ZNSt3__15mutex6unlockEv(long *m) { pthread_mutex_unlock(mutex(m)); }
void mac__ZNSt3__15mutexD1Ev(long *) {}
void mac__ZNSt3__118condition_variable10notify_oneEv(long *c) { pthread_cond_signal(condition(c)); }
void mac__ZNSt3__118condition_variable4waitERNS_11unique_lockINS_5mutexEEE(long *c, long **lock) {
  pthread_cond_wait(condition(c), mutex(*lock));
}
void mac__ZNSt3__118condition_variableD1Ev(long *c) { mac_pthread_cond_destroy(c); }

/* __ulock_wait(2), which no header has: bsd/sys/ulock.h and bsd/kern/sys_ulock.c. A timeout of 0 is none. */
enum {
  UL_OPCODE_MASK = 0xff,
  UL_COMPARE_AND_WAIT_SHARED = 3,
  UL_COMPARE_AND_WAIT64 = 5,
  UL_COMPARE_AND_WAIT64_SHARED = 6,
  ULF_WAKE_ALL = 0x100,
  ULF_NO_ERRNO = 0x1000000,
};
int mac___ulock_wait2(u32 operation, void *word, u64 value, u64 nanoseconds, u64) {
  struct timespec timeout = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  u32 kind = operation & UL_OPCODE_MASK;
  for (;;) {
    unsigned before = parked;
    /* A futex compares 32 bits; whoever changes the upper half alone wakes too. */
    if ((kind == UL_COMPARE_AND_WAIT64 || kind == UL_COMPARE_AND_WAIT64_SHARED) &&
        __atomic_load_n((u64 *)word, __ATOMIC_SEQ_CST) != value)
      return 0;
    long result = futex_wait(word, value, nanoseconds ? &timeout : NULL);
    int error = result == 0 ? 0 : errno;
    errno = 0;
    if (error == 0 || error == EAGAIN) return 0;
    if (error == EINTR && before != parked && !nanoseconds) continue;
    error = darwin_error(error);
    return operation & ULF_NO_ERRNO ? -error : fail(error);
  }
}
int mac___ulock_wait(u32 operation, void *word, u64 value, u32 microseconds) {
  return mac___ulock_wait2(operation, word, value, microseconds * 1000ull, 0);
}
int mac___ulock_wake(u32 operation, void *word, u64) {
  if (futex_wake(word, operation & ULF_WAKE_ALL ? INT_MAX : 1) > 0) return 0;
  return operation & ULF_NO_ERRNO ? -D_ENOENT : fail(D_ENOENT);
}

/* 0: free, 1: held, 2: held and somebody may wait. */
void mac_os_unfair_lock_lock(u32 *lock) {
  u32 unlocked = 0;
  if (__atomic_compare_exchange_n(lock, &unlocked, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
  while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE)) futex_wait(lock, 2, NULL);
}
void mac_os_unfair_lock_unlock(u32 *lock) {
  if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2) futex_wake(lock, 1);
}

/* Semaphores of libdispatch, and Mach's, which are the same thing here. Times are those of mach_absolute_time(). */

u64 mac_mach_absolute_time(void);
#define DISPATCH_TIME_FOREVER (~0ull)

sem_t *mac_dispatch_semaphore_create(long value) {
  sem_t *s = calloc(1, sizeof *s);
  sem_init(s, 0, value);
  return s;
}
long mac_dispatch_semaphore_signal(sem_t *s) {
  sem_post(s);
  return 0;
}
long mac_dispatch_semaphore_wait(sem_t *s, u64 until) {
  int result;
  struct timespec t = {until / 1000000000, until % 1000000000};
  do result = until == DISPATCH_TIME_FOREVER ? sem_wait(s) : sem_clockwait(s, CLOCK_MONOTONIC, &t);
  while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : KERN_OPERATION_TIMED_OUT;
}
u64 mac_dispatch_time(u64 when, i64 delta) {
  if (when == DISPATCH_TIME_FOREVER || delta == INT64_MAX) return DISPATCH_TIME_FOREVER;
  return (when ? when : mac_mach_absolute_time()) + delta;
}

enum { FIRST_SEMAPHORE = 0x20000, MAX_SEMAPHORES = 1024 };
static sem_t *semaphores[MAX_SEMAPHORES];
static u32 semaphore_count;
int mac_semaphore_create(u32, u32 *name, int, int value) {
  u32 i = __atomic_fetch_add(&semaphore_count, 1, __ATOMIC_SEQ_CST);
  if (i >= MAX_SEMAPHORES) return KERN_RESOURCE_SHORTAGE;
  semaphores[i] = mac_dispatch_semaphore_create(value);
  *name = FIRST_SEMAPHORE + i;
  return KERN_SUCCESS;
}
int mac_semaphore_signal(u32 name) { return mac_dispatch_semaphore_signal(semaphores[name - FIRST_SEMAPHORE]); }
int mac_semaphore_wait(u32 name) {
  return mac_dispatch_semaphore_wait(semaphores[name - FIRST_SEMAPHORE], DISPATCH_TIME_FOREVER);
}
