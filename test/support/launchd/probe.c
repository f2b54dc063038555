/*
 * A job for the tests of the stand-in: probe LIBRARY COMMAND...
 *
 *   activate NAME   calls launch_activate_socket, prints the result and the descriptors' addresses and flags
 *   open            prints how many descriptors are open from 3 up, here and in a child
 *   signals         prints the signals that are ignored or blocked
 *   session         prints its name and whether it leads a session
 *   serve N         answers N connections with "PID\n"; the first activated socket that has one goes first
 *   stubborn        ignores SIGTERM, prints a line
 *   child           starts a child that ignores nothing and prints its pid
 *   pause           waits for ever
 *   exit N          exits
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pollfd sockets[64];
static int count;

static void print_socket(int fd) {
  struct sockaddr_storage address;
  struct sockaddr *any = (struct sockaddr *)&address;
  socklen_t length = sizeof address, size = sizeof(int);
  char host[128], port[8] = "-";
  int listening = 0;
  if (getsockname(fd, any, &length) == -1) perror("getsockname"), exit(70);
  getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
  if (any->sa_family == AF_UNIX) snprintf(host, sizeof host, "%s", ((struct sockaddr_un *)any)->sun_path);
  else getnameinfo(any, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  int flags = fcntl(fd, F_GETFD);
  printf(" %s,%s%s%s", host, port, listening ? ",listening" : "", flags & FD_CLOEXEC ? ",cloexec" : "");
}

static int open_descriptors(void) {
  int open = 0;
  for (int fd = 3; fd < 256; fd++) open += fcntl(fd, F_GETFD) != -1;
  return open;
}

static void serve(int connections) {
  for (; connections > 0; connections--) {
    if (poll(sockets, count, -1) == -1) perror("poll"), exit(71);
    for (int i = 0; i < count; i++) {
      if (!sockets[i].revents) continue;
      int fd = accept(sockets[i].fd, NULL, NULL);
      dprintf(fd, "%d\n", getpid());
      close(fd);
      break;
    }
  }
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc == 2 && strcmp(argv[1], "open") == 0) return printf("open in a child: %d\n", open_descriptors()), 0;
  void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (library == NULL) fprintf(stderr, "no library: %s\n", dlerror()), exit(72);
  int (*activate)(const char *, int **, size_t *) = dlsym(library, "launch_activate_socket");
  for (char **word = argv + 2; *word; word++) {
    if (strcmp(*word, "activate") == 0) {
      int *fds;
      size_t length;
      int result = activate(*++word, &fds, &length);
      printf("%s: %d", *word, result);
      for (size_t i = 0; result == 0 && i < length; i++) {
        print_socket(fds[i]);
        sockets[count++] = (struct pollfd){.fd = fds[i], .events = POLLIN};
      }
      puts("");
      if (result == 0) free(fds);
    } else if (strcmp(*word, "open") == 0) {
      printf("open: %d\n", open_descriptors());
      if (fork() == 0) execl(argv[0], argv[0], "open", NULL), _exit(73);
      wait(NULL);
    } else if (strcmp(*word, "signals") == 0) {
      printf("unusual signals:");
      sigset_t blocked;
      sigprocmask(SIG_SETMASK, NULL, &blocked);
      for (int number = 1; number < 32; number++) {
        struct sigaction action;
        sigaction(number, NULL, &action);
        if (action.sa_handler != SIG_DFL || sigismember(&blocked, number)) printf(" %d", number);
      }
      puts("");
    } else if (strcmp(*word, "session") == 0) {
      printf("%s %s\n", argv[0], getsid(0) == getpid() ? "leads its session" : "follows");
    } else if (strcmp(*word, "serve") == 0) {
      serve(atoi(*++word));
    } else if (strcmp(*word, "stubborn") == 0) {
      signal(SIGTERM, SIG_IGN);
      puts("stubborn");
    } else if (strcmp(*word, "child") == 0) {
      int child = fork();
      while (child == 0) pause();
      printf("child %d\n", child);
    } else if (strcmp(*word, "pause") == 0) {
      for (;;) pause();
    } else if (strcmp(*word, "exit") == 0) {
      exit(atoi(*++word));
    }
  }
  return 0;
}
