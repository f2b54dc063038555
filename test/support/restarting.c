/* Listens on 127.0.0.1, says on which port, and starts its arguments with that socket by systemd's protocol
   (sd_listen_fds(3)) again and again: SIGHUP ends one run by SIGTERM and begins the next, SIGTERM ends the last. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t wanted;

static void remember(int number) { wanted = number; }

int main(int argc, char **argv) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof name;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (argc < 2 || bind(fd, (struct sockaddr *)&name, length) != 0 || listen(fd, 4096) != 0 || dup2(fd, 3) != 3) return 2;
  getsockname(3, (struct sockaddr *)&name, &length);
  fprintf(stderr, "port %d\n", ntohs(name.sin_port));

  struct sigaction action = {.sa_handler = remember};
  sigaction(SIGHUP, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGHUP);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);

  for (;;) {
    wanted = 0;
    pid_t child = fork();
    if (child == 0) {
      char pid[20];
      snprintf(pid, sizeof pid, "%d", getpid());
      setenv("LISTEN_PID", pid, 1);
      setenv("LISTEN_FDS", "1", 1);
      sigprocmask(SIG_SETMASK, &before, NULL);
      execv(argv[1], argv + 1);
      _exit(127);
    }
    while (wanted == 0) sigsuspend(&before);
    kill(child, SIGTERM);
    int status = 0;
    while (waitpid(child, &status, 0) < 0) continue;
    fprintf(stderr, "ended with %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    if (wanted == SIGTERM) return 0;
  }
}
