/* Starts the program: settings, stack, the Mach-O itself, and the jump into it. */
#include "macrun.h"
#include <sys/mman.h>

bool tracing;
const char *macrun_path;
char *program_path;
char **program_argv;
int program_argc;
void *main_stack_top;
size_t main_stack_size;

void trace(const char *format, ...) {
  if (!tracing) return;
  int saved = errno;
  va_list arguments;
  va_start(arguments, format);
  fputs("macrun: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  errno = saved;
}

/* Calls function(argc, argv, envp, apple) on another stack, and exit() with what it returns. */
__asm__(".globl call_on_stack\n"
        "call_on_stack:\n"
        "  movq %rdi, %rax\n"
        "  movq %rsi, %r10\n"
        "  movq %rdx, %rdi\n"
        "  movq %rcx, %rsi\n"
        "  movq %r8, %rdx\n"
        "  movq %r9, %rcx\n"
        "  movq %r10, %rsp\n"
        "  xorl %ebp, %ebp\n"
        "  call *%rax\n"
        "  movl %eax, %edi\n"
        "  call exit\n");
_Noreturn void call_on_stack(void *function, void *stack, long argc, char **argv, char **envp, char **apple);

static struct image image;

static int enter(int argc, char **argv, char **envp, char **apple) {
  run_initialisers(argc, argv, envp, apple);
  int (*start)(int, char **, char **, char **) = (void *)((u8 *)image_base + image.entry);
  return start(argc, argv, envp, apple);
}

static const char usage[] = "usage: macrun [--argv0 NAME] [--path PATH] PROGRAM [ARG...]\n"
                            "  --argv0 NAME  what the program is called by\n"
                            "  --path PATH   what the program is to take for its own path\n";

/* Takes `name VALUE` off the front of the arguments. */
static char *option(const char *name, char ***argv) {
  if (!(*argv)[0] || strcmp((*argv)[0], name) != 0 || !(*argv)[1]) return NULL;
  *argv += 2;
  return (*argv)[-1];
}

static _Noreturn void cannot_run(const char *path) {
  fprintf(stderr, "macrun: cannot run %s: %s\n", path, strerror(errno));
  exit(126);
}

int main(int argc, char **argv) {
  char **end = argv + argc;
  argv++;
  char *name = option("--argv0", &argv), *path = option("--path", &argv);
  if (argv == end) {
    fputs(usage, stderr);
    return 2;
  }
  tracing = getenv("MACRUN_TRACE") != NULL;
  macrun_path = realpath("/proc/self/exe", NULL);
  program_path = realpath(argv[0], NULL);
  if (!program_path) cannot_run(argv[0]);
  load_image(program_path, &image);
  set_thread_locals(&image);

  if (path) program_path = path;
  if (name) argv[0] = name;
  program_argc = end - argv;
  program_argv = argv;

  /* dyld's strings after the environment; Bun reads this one. */
  char *apple[2] = {NULL, NULL};
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  u8 *stack = mmap(NULL, image.stack_size, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (stack == MAP_FAILED || asprintf(&apple[0], "executable_path=%s", program_path) < 0) cannot_run(program_path);
  main_stack_top = stack + image.stack_size;
  main_stack_size = image.stack_size;
  enter_thread();
  call_on_stack(enter, stack + image.stack_size - 256, program_argc, program_argv, environ, apple);
}
