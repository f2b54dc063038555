/* Prints a line for each signal that whoever started this program has left ignored or blocked. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>

/* Those that systems number differently have a name, the others their number. */
static void print(const char *state, int number) {
  static const struct {
    int number;
    const char *name;
  } names[] = {{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"}, {SIGUSR1, "SIGUSR1"},
               {SIGUSR2, "SIGUSR2"}, {SIGTSTP, "SIGTSTP"}, {SIGTTIN, "SIGTTIN"}, {SIGTTOU, "SIGTTOU"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (names[i].number != number) continue;
    printf("%s %s\n", state, names[i].name);
    return;
  }
  printf("%s %d\n", state, number);
}

int main(void) {
  sigset_t blocked;
  sigprocmask(SIG_BLOCK, NULL, &blocked);
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;
    /* glibc keeps 32 and 33 to itself, and refuses them here (signal(7)). */
    if (sigaction(number, NULL, &action) != 0) continue;
    if (action.sa_handler == SIG_IGN) print("ignored", number);
    if (sigismember(&blocked, number) == 1) print("blocked", number);
  }
  return 0;
}
