/* Waiting for processes, and exec: a Mach-O is run by macrun again, all else by the system. */
#include "macrun.h"
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int darwin_status(int status) {
  if (WIFEXITED(status)) return status & 0xff00;
  if (WIFSIGNALED(status)) return darwin_signal(WTERMSIG(status)) | (status & 0x80);
  int number = WIFSTOPPED(status) ? darwin_signal(WSTOPSIG(status)) : D_SIGCONT;
  return 0x7f | number << 8;
}

int mac_wait4(int pid, int *status, int options, struct rusage *usage) {
  int s = 0, ended;
  int flags = (options & D_WNOHANG ? WNOHANG : 0) | (options & D_WUNTRACED ? WUNTRACED : 0) |
              (options & D_WCONTINUED ? WCONTINUED : 0);
  unsigned before;
  do {
    before = parked;
    ended = wait4(pid, &s, flags, usage);
  } while (ended < 0 && errno == EINTR && before != parked);
  if (ended > 0 && status) *status = darwin_status(s);
  if (ended > 0 && usage) usage->ru_maxrss *= 1024;
  return ended;
}
int mac_waitpid(int pid, int *status, int options) { return mac_wait4(pid, status, options, NULL); }

/* siginfo_t of bsd/sys/signal.h, as far as waitid() fills it in. */
struct d_siginfo {
  int signo, errno_, code, pid;
  u32 uid;
  int status;
};

/* waitid() of bsd/kern/kern_exit.c; the kinds of ids and of ends (CLD_EXITED …) have the same numbers. */
int mac_waitid(int kind, u32 id, struct d_siginfo *told, int options) {
  siginfo_t info = {0};
  int flags = (options & D_WNOHANG ? WNOHANG : 0) | (options & D_WEXITED ? WEXITED : 0) |
              (options & D_WSTOPPED ? WSTOPPED : 0) | (options & D_WCONTINUED ? WCONTINUED : 0) |
              (options & D_WNOWAIT ? WNOWAIT : 0);
  if (waitid(kind, id, &info, flags) != 0) return -1;
  /* With WNOHANG and nothing to tell, XNU leaves what it was given alone. */
  if (info.si_pid == 0) return 0;
  bool exited = info.si_code == CLD_EXITED;
  *told = (struct d_siginfo){.signo = darwin_signal(SIGCHLD),
                             .code = info.si_code,
                             .pid = info.si_pid,
                             .uid = info.si_uid,
                             .status = exited ? info.si_status : darwin_signal(info.si_status)};
  return 0;
}

int mac_fork(void) {
  int pid = fork();
  if (pid == 0) threads_after_fork();
  return pid;
}

static bool is_mach_o(const char *path) {
  u32 magic = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = read(fd, &magic, sizeof magic);
  syscall(SYS_close, fd);
  return got == sizeof magic && magic == 0xfeedfacf;
}

/* Called between fork() and exec() too, so it does not call malloc(), whose lock another thread may have held. */
char **command_for(const char *path, char **argv, const char **executable) {
  enum { BEFORE = 4, MAX_ARGUMENTS = 4096 };
  static __thread char *with_loader[BEFORE + MAX_ARGUMENTS];
  static __thread char program[4096];
  *executable = path;
  int count = 0;
  while (argv[count]) count++;
  if (!is_mach_o(path) || count == 0 || count >= MAX_ARGUMENTS) return argv;
  snprintf(program, sizeof program, "%s", path);
  char *before[BEFORE] = {(char *)macrun_path, (char *)"--argv0", argv[0], program};
  memcpy(with_loader, before, sizeof before);
  for (int i = 1; i <= count; i++) with_loader[BEFORE - 1 + i] = argv[i];
  *executable = macrun_path;
  return with_loader;
}

int mac_execve(const char *path, char **argv, char **environment) {
  const char *executable;
  char **command = command_for(host_path(path), argv, &executable);
  return execve(executable, command, environment);
}
int mac_execv(const char *path, char **argv) { return mac_execve(path, argv, environ); }
int mac_execvp(const char *name, char **argv) {
  return strchr(name, '/') ? mac_execve(name, argv, environ) : execvp(name, argv);
}
