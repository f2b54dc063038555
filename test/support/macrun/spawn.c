/*
 * posix_spawn(2) with Darwin's attributes and file actions. The order in which a child takes them on is XNU's
 * (bsd/kern/kern_exec.c, posix_spawn).
 */
#include "macrun.h"
#include <sys/syscall.h>
#include <sys/wait.h>

/* Behind posix_spawn_file_actions_t and posix_spawnattr_t, which are pointers, are structures of the library's own. */
struct action {
  struct action *next;
  enum { DUP2, OPEN, INHERIT, CHDIR, CLOSE } kind;
  int from, fd, flags, mode;
  char *path;
};
struct actions {
  struct action *first;
};
struct attributes {
  u32 flags;
  int process_group;
  u32 default_signals, mask;
};

int mac_posix_spawn_file_actions_init(struct actions **a) {
  *a = calloc(1, sizeof **a);
  return 0;
}
int mac_posix_spawn_file_actions_destroy(struct actions **a) {
  for (struct action *next, *one = (*a)->first; one; one = next) {
    next = one->next;
    free(one->path);
    free(one);
  }
  free(*a);
  return 0;
}
static int add(struct actions **a, struct action action) {
  struct action *one = malloc(sizeof *one), **end = &(*a)->first;
  *one = action;
  while (*end) end = &(*end)->next;
  *end = one;
  return 0;
}
int mac_posix_spawn_file_actions_adddup2(struct actions **a, int from, int fd) {
  return add(a, (struct action){.kind = DUP2, .from = from, .fd = fd});
}
int mac_posix_spawn_file_actions_addopen(struct actions **a, int fd, const char *path, int flags, int mode) {
  char *copy = strdup(host_path(path));
  return add(a, (struct action){.kind = OPEN, .fd = fd, .flags = linux_open_flags(flags), .mode = mode, .path = copy});
}
int mac_posix_spawn_file_actions_addinherit_np(struct actions **a, int fd) {
  return add(a, (struct action){.kind = INHERIT, .fd = fd});
}
int mac_posix_spawn_file_actions_addchdir_np(struct actions **a, const char *path) {
  return add(a, (struct action){.kind = CHDIR, .path = strdup(host_path(path))});
}
int mac_posix_spawn_file_actions_addclose(struct actions **a, int fd) {
  return add(a, (struct action){.kind = CLOSE, .fd = fd});
}

int mac_posix_spawnattr_init(struct attributes **a) {
  *a = calloc(1, sizeof **a);
  return 0;
}
int mac_posix_spawnattr_destroy(struct attributes **a) {
  free(*a);
  return 0;
}
int mac_posix_spawnattr_setflags(struct attributes **a, short flags) {
  (*a)->flags = (u16)flags;
  return 0;
}
int mac_posix_spawnattr_setpgroup(struct attributes **a, int group) {
  (*a)->process_group = group;
  return 0;
}
int mac_posix_spawnattr_setsigdefault(struct attributes **a, const u32 *signals) {
  (*a)->default_signals = *signals;
  return 0;
}
int mac_posix_spawnattr_setsigmask(struct attributes **a, const u32 *signals) {
  (*a)->mask = *signals;
  return 0;
}

static int perform(const struct action *a) {
  switch (a->kind) {
  case DUP2: return a->from == a->fd ? fcntl(a->fd, F_SETFD, 0) : dup2(a->from, a->fd);
  case INHERIT: return fcntl(a->fd, F_SETFD, 0);
  case CHDIR: return chdir(a->path);
  case CLOSE: return syscall(SYS_close, a->fd);
  case OPEN: break;
  }
  int fd = open(a->path, a->flags, a->mode);
  if (fd < 0) return -1;
  if (fd == a->fd) return fcntl(fd, F_SETFD, 0);
  int result = dup2(fd, a->fd);
  syscall(SYS_close, fd);
  return result;
}

/* A handler does not survive exec; signals that are ignored stay so, but for those that SETSIGDEF names. */
static void reset_signals(const struct attributes *attributes) {
  sigset_t defaults;
  linux_sigset(attributes && attributes->flags & D_SPAWN_SETSIGDEF ? attributes->default_signals : 0, &defaults);
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;
    if (number == SIGKILL || number == SIGSTOP || sigaction(number, NULL, &action) != 0) continue;
    if (action.sa_handler != SIG_IGN || sigismember(&defaults, number)) signal(number, SIG_DFL);
  }
}

/* In the child, or with SETEXEC in the process itself.  Returns Linux's errno on failure. */
static int become(const char *path, const struct action *first, const struct attributes *attributes,
                  const sigset_t *inherited, char **argv, char **environment) {
  u32 flags = attributes ? attributes->flags : 0;
  if (flags & D_SPAWN_SETSID && setsid() < 0) return errno;
  if (flags & D_SPAWN_SETPGROUP && setpgid(0, attributes->process_group) != 0) return errno;
  if (flags & D_SPAWN_RESETIDS && (setegid(getgid()) != 0 || seteuid(getuid()) != 0)) return errno;
  reset_signals(attributes);
  sigset_t mask = *inherited;
  if (flags & D_SPAWN_SETSIGMASK) linux_sigset(attributes->mask, &mask);
  sigprocmask(SIG_SETMASK, &mask, NULL);
  /* With CLOEXEC_DEFAULT all descriptors close, save those that an action names. */
  enum { CLOSE_RANGE_CLOEXEC_FLAG = 4 };
  if (flags & D_SPAWN_CLOEXEC_DEFAULT) syscall(SYS_close_range, 0, ~0u, CLOSE_RANGE_CLOEXEC_FLAG);
  for (const struct action *a = first; a; a = a->next)
    if (perform(a) < 0) return errno;
  const char *executable;
  char **command = command_for(path, argv, &executable);
  execve(executable, command, environment);
  return errno;
}

/* The child tells of a failure through a pipe that a successful exec closes. */
static int spawn(int *pid, const char *path, struct actions **actions, struct attributes **attributes, char **argv,
                 char **environment) {
  const struct action *first = actions && *actions ? (*actions)->first : NULL;
  const struct attributes *a = attributes ? *attributes : NULL;
  sigset_t all, inherited;
  pthread_sigmask(SIG_SETMASK, NULL, &inherited);
  if (a && a->flags & D_SPAWN_SETEXEC) return darwin_error(become(path, first, a, &inherited, argv, environment));
  trace("posix_spawn %s flags 0x%x", path, a ? a->flags : 0);
  int ends[2], error = 0;
  if (pipe2(ends, O_CLOEXEC) != 0) return darwin_error(errno);
  int report = out_of_the_way(ends[1]);
  /* Until the child has reset its handlers no signal may run one there. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  int child = fork();
  if (child == 0) {
    error = become(path, first, a, &inherited, argv, environment);
    _exit(write(report, &error, sizeof error) < 0 ? 126 : 127);
  }
  if (child < 0) error = errno;
  pthread_sigmask(SIG_SETMASK, &inherited, NULL);
  syscall(SYS_close, report);
  ssize_t got = 0;
  if (child > 0)
    while ((got = read(ends[0], &error, sizeof error)) < 0 && errno == EINTR) continue;
  syscall(SYS_close, ends[0]);
  if (got == sizeof error)
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  errno = 0;
  if (error) return darwin_error(error);
  if (pid) *pid = child;
  return 0;
}

int mac_posix_spawn(int *pid, const char *path, struct actions **actions, struct attributes **attributes, char **argv,
                    char **environment) {
  return spawn(pid, host_path(path), actions, attributes, argv, environment);
}

/* Looks through the caller's PATH (libc, posix_spawnp). */
int mac_posix_spawnp(int *pid, const char *name, struct actions **actions, struct attributes **attributes, char **argv,
                     char **environment) {
  if (strchr(name, '/')) return mac_posix_spawn(pid, name, actions, attributes, argv, environment);
  const char *path = getenv("PATH");
  if (!path) path = "/usr/bin:/bin";
  for (const char *end; *path; path = *end ? end + 1 : end) {
    char full[4096];
    end = path + strcspn(path, ":");
    snprintf(full, sizeof full, "%.*s/%s", (int)(end - path), path, name);
    if (access(full, X_OK) != 0) continue;
    int error = spawn(pid, full, actions, attributes, argv, environment);
    if (error != D_ENOENT) return error;
  }
  return D_ENOENT;
}
