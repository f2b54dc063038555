/* What launchd does with users and processes, for library.ts. Failures are returned as -errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "table.h"

/*
 * Looks up a user ("" is the one who runs this process), and unless it is "" the group that replaces the user's own:
 * ids = uid, gid; text = "NAME\0HOME\0SHELL\0". Returns the number of groups.
 */
int standin_user(const char *name, const char *group, int *ids, int *groups, int max, char *text, int size) {
  struct passwd *user = *name ? getpwnam(name) : getpwuid(getuid());
  if (user == NULL) return UNKNOWN_USER;
  snprintf(text, size, "%s%c%s%c%s", user->pw_name, 0, user->pw_dir, 0, user->pw_shell);
  ids[0] = user->pw_uid;
  ids[1] = user->pw_gid;
  if (*group) {
    struct group *found = getgrnam(group);
    if (found == NULL) return UNKNOWN_GROUP;
    ids[1] = found->gr_gid;
  }
  void *list = groups; /* of int on macOS, of gid_t elsewhere */
  return getgrouplist(text, ids[1], list, &max) == -1 ? -E2BIG : max;
}

static char **strings(const char *text, int count) {
  char **list = calloc(count + 1, sizeof *list);
  for (int i = 0; i < count; i++, text += strlen(text) + 1) list[i] = (char *)text;
  return list;
}

static void close_from(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
#endif
  for (int fd = first, end = getdtablesize(); fd < end; fd++) close(fd);
}

/* In the order of library.ts. -1 leaves ids, limits and the umask as they are. */
struct settings {
  int32_t arguments, variables, sockets, groups, uid, gid, soft, hard, umask, names_length, systemd;
};

/* What failed in the new process; the numbers are known to library.ts. */
enum step { LIMIT = 1, USER = 2, FOLDER = 3, PROGRAM = 4 };

static int become(const struct settings *to, const gid_t *groups, const char *folder) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  if (to->hard >= 0) files.rlim_max = to->hard;
  if (to->soft >= 0) files.rlim_cur = (rlim_t)to->soft < files.rlim_max ? (rlim_t)to->soft : files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) == -1) return LIMIT;
  if (to->uid >= 0 && (setgroups(to->groups, groups) == -1 || setgid(to->gid) == -1 || setuid(to->uid) == -1))
    return USER;
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test run that is killed takes its jobs along */
#endif
  if (chdir(folder) == -1) return FOLDER;
  if (to->umask >= 0) umask(to->umask);
  return 0;
}

/* Puts `count` descriptors in the places 0, 1, ... and `failures` behind them; closes all others. */
static int arrange(const int *fds, int count, int failures) {
  int moved[count];
  for (int i = 0; i < count; i++) moved[i] = fcntl(fds[i], F_DUPFD, count + 1);
  failures = fcntl(failures, F_DUPFD, count + 1);
  for (int i = 0; i < count; i++) dup2(moved[i], i);
  dup2(failures, count);
  close_from(count + 1);
  fcntl(count, F_SETFD, FD_CLOEXEC);
  return count;
}

static void announce(int sockets) {
  char number[20];
  snprintf(number, sizeof number, "%d", getpid());
  setenv("LISTEN_PID", number, 1);
  snprintf(number, sizeof number, "%d", sockets);
  setenv("LISTEN_FDS", number, 1);
}

/*
 * Starts a job in a session of its own, as launchd-842 does where it is the parent (src/core.c:5221). fds = stdin, stdout, stderr, one place for the table, the sockets of all names;
 * argv, envp and names are lists of NUL-ended strings. With `systemd` there is no table and no place for it: LISTEN_PID and
 * LISTEN_FDS are set beside envp's LISTEN_FDNAMES (sd_listen_fds(3)). Returns the pid, or -(1000 * step + errno).
 */
int standin_spawn(const char *program, const char *folder, const char *argv, const char *envp, const char *names,
                  int *fds, const int *groups, const struct settings *settings) {
  struct table header = {.sockets = settings->sockets, .length = settings->names_length};
  memcpy(header.magic, TABLE_MAGIC, sizeof header.magic);
  char **arguments = strings(argv, settings->arguments), **variables = strings(envp, settings->variables);
  int failures[2], failure[2] = {PROGRAM, 0};
  FILE *file = tmpfile();
  if (file == NULL || pipe(failures) == -1) return -(1000 * PROGRAM + errno);
  fwrite(&header, sizeof header, 1, file);
  fwrite(names, settings->names_length, 1, file);
  fflush(file);
  int first = settings->systemd ? TABLE_FD : FIRST_SOCKET;
  if (!settings->systemd) fds[TABLE_FD] = fileno(file);

  int pid = fork();
  if (pid == 0) {
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL); /* Bun ignores SIGPIPE and SIGXFSZ */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    header.pid = getpid();
    int report = arrange(fds, first + settings->sockets, failures[1]);
    if (settings->systemd || pwrite(TABLE_FD, &header, sizeof header, 0) == sizeof header)
      failure[0] = become(settings, (const gid_t *)groups, folder);
    if (failure[0] == 0) {
      extern char **environ;
      environ = variables;
      if (settings->systemd) announce(settings->sockets);
      execvp(program, arguments);
      failure[0] = PROGRAM;
    }
    failure[1] = errno;
    _exit(write(report, failure, sizeof failure) == -1);
  }
  failure[1] = errno;
  close(failures[1]);
  ssize_t got;
  do got = read(failures[0], failure, sizeof failure);
  while (got == -1 && errno == EINTR);
  int failed = pid == -1 || got == sizeof failure;
  if (failed && pid > 0) waitpid(pid, NULL, 0);
  close(failures[0]);
  fclose(file);
  free(arguments);
  free(variables);
  return failed ? -(1000 * failure[0] + failure[1]) : pid;
}

/*
 * Takes the status of an ended job as wait(2) gives it, and before that sends SIGTERM to what is left of its process
 * group: launchd-842, src/core.c:3619-3623, and Apple's TN2083; measured on macOS 15 too (experiments com.a2research.*, 2026),
 * where a child that ignores SIGTERM outlives a job that was killed. Returns 0 while the job runs.
 */
int standin_reap(int pid, int abandon_group, int *status) {
  siginfo_t info = {0};
  if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) == -1) return -errno;
  if (info.si_pid == 0) return 0;
  if (!abandon_group) kill(-pid, SIGTERM);
  return waitpid(pid, status, 0) == pid;
}
