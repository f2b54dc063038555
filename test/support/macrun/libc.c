/* The rest of libc: stdio, character classes, numbers, jumps, terminals, and what only fails or does nothing. */
#include "macrun.h"
#include <ctype.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <sys/random.h>
#include <termios.h>
#include <wchar.h>
#include <wctype.h>

FILE *mac___stdinp, *mac___stdoutp, *mac___stderrp;

/* Character classes: _RuneLocale of <runetype.h>, and the bits of <_ctype.h>. */
struct {
  char magic[8], encoding[32];
  void *functions[2];
  int invalid;
  u32 types[256];
  int lower[256], upper[256];
  char rest[512];
} mac__DefaultRuneLocale;

static u32 classes_of(int c) {
  u32 classes = 0;
  if (iswalpha(c)) classes |= 0x100;
  if (iswcntrl(c)) classes |= 0x200;
  if (c < 128 && isdigit(c)) classes |= 0x400;
  if (iswgraph(c)) classes |= 0x800;
  if (iswlower(c)) classes |= 0x1000;
  if (iswpunct(c)) classes |= 0x2000;
  if (iswspace(c)) classes |= 0x4000;
  if (iswupper(c)) classes |= 0x8000;
  if (c < 128 && isxdigit(c)) classes |= 0x10000;
  if (iswblank(c)) classes |= 0x20000;
  if (iswprint(c)) classes |= 0x40000;
  return classes;
}
int mac___maskrune(int c, u64 classes) { return classes_of(c) & classes; }

static void __attribute__((constructor)) start(void) {
  mac___stdinp = stdin;
  mac___stdoutp = stdout;
  mac___stderrp = stderr;
  for (int c = 0; c < 256; c++) {
    mac__DefaultRuneLocale.types[c] = c < 128 ? classes_of(c) : 0;
    mac__DefaultRuneLocale.lower[c] = c < 128 ? tolower(c) : c;
    mac__DefaultRuneLocale.upper[c] = c < 128 ? toupper(c) : c;
  }
}

int mac___mb_cur_max = 6;
char *mac_setlocale(int category, const char *locale) {
  static const int categories[] = {LC_ALL, LC_COLLATE, LC_CTYPE, LC_MONETARY, LC_NUMERIC, LC_TIME, LC_MESSAGES};
  if (category < 0 || category >= (int)LENGTH(categories)) return NULL;
  return setlocale(categories[category], locale);
}
char *mac_nl_langinfo(int item) { return (char *)(item == 0 ? "UTF-8" : ""); }

/* Numbers and bytes */

double mac___exp10(double x) { return exp10(x); }
struct sine_cosine {
  float sine, cosine;
};
struct sine_cosine mac___sincosf_stret(float x) {
  struct sine_cosine both;
  sincosf(x, &both.sine, &both.cosine);
  return both;
}
int mac___fpclassifyf(float x) {
  switch (fpclassify(x)) {
  case FP_NAN: return 1;
  case FP_INFINITE: return 2;
  case FP_ZERO: return 3;
  case FP_SUBNORMAL: return 5;
  default: return 4;
  }
}

void mac___bzero(void *at, size_t size) { memset(at, 0, size); }
static void repeat(u8 *to, const u8 *pattern, size_t length, size_t size) {
  for (size_t i = 0; i < size; i++) to[i] = pattern[i % length];
}
void mac_memset_pattern4(void *to, const void *pattern, size_t size) { repeat(to, pattern, 4, size); }
void mac_memset_pattern8(void *to, const void *pattern, size_t size) { repeat(to, pattern, 8, size); }
void mac_memset_pattern16(void *to, const void *pattern, size_t size) { repeat(to, pattern, 16, size); }
int mac_CCRandomGenerateBytes(void *to, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = getrandom((u8 *)to + done, size - done, 0);
    if (n < 0) return -1;
    done += n;
  }
  return 0;
}

/* Ends and jumps */

u64 mac___stack_chk_guard = 0x00c0ffee1234abcdull;
void mac___stack_chk_fail(void) {
  fprintf(stderr, "macrun: the program has overwritten its stack\n");
  abort();
}
int mac___darwin_check_fd_set_overflow(int fd, const void *, int) { return fd >= 0 && fd < 1024; }
void mac_exit(int status) { exit(status); }
void mac__exit(int status) { _exit(status); }
void mac___cxa_finalize(void *) {}
int __cxa_atexit(void (*function)(void *), void *argument, void *module);
int mac_atexit(void (*function)(void)) { return __cxa_atexit((void (*)(void *))(void *)function, NULL, NULL); }

/* Darwin's jmp_buf is smaller than glibc's. The signal mask is not kept. */
__asm__(".globl mac_setjmp\n"
        "mac_setjmp:\n"
        "  movq %rbx, 0(%rdi)\n"
        "  movq %rbp, 8(%rdi)\n"
        "  movq %r12, 16(%rdi)\n"
        "  movq %r13, 24(%rdi)\n"
        "  movq %r14, 32(%rdi)\n"
        "  movq %r15, 40(%rdi)\n"
        "  leaq 8(%rsp), %rdx\n"
        "  movq %rdx, 48(%rdi)\n"
        "  movq (%rsp), %rdx\n"
        "  movq %rdx, 56(%rdi)\n"
        "  xorl %eax, %eax\n"
        "  ret\n"
        ".globl mac_longjmp\n"
        "mac_longjmp:\n"
        "  movl %esi, %eax\n"
        "  testl %eax, %eax\n"
        "  jne 1f\n"
        "  incl %eax\n"
        "1: movq 0(%rdi), %rbx\n"
        "  movq 8(%rdi), %rbp\n"
        "  movq 16(%rdi), %r12\n"
        "  movq 24(%rdi), %r13\n"
        "  movq 32(%rdi), %r14\n"
        "  movq 40(%rdi), %r15\n"
        "  movq 48(%rdi), %rsp\n"
        "  jmp *56(%rdi)\n");

/* Terminals: Linux's flags are kept in Darwin's structure, so that what was read can be written back. */

struct d_termios {
  u64 input, output, control, local;
  u8 characters[20];
  u64 input_speed, output_speed;
};
static void to_linux(const struct d_termios *d, struct termios *t) {
  t->c_iflag = d->input;
  t->c_oflag = d->output;
  t->c_cflag = d->control;
  t->c_lflag = d->local;
  memcpy(t->c_cc, d->characters, sizeof d->characters);
}
static void to_darwin(const struct termios *t, struct d_termios *d) {
  *d = (struct d_termios){.input = t->c_iflag,
                          .output = t->c_oflag,
                          .control = t->c_cflag,
                          .local = t->c_lflag,
                          .input_speed = cfgetispeed(t),
                          .output_speed = cfgetospeed(t)};
  memcpy(d->characters, t->c_cc, sizeof d->characters);
}
int mac_tcgetattr(int fd, struct d_termios *d) {
  struct termios t;
  int result = tcgetattr(fd, &t);
  if (result == 0) to_darwin(&t, d);
  return result;
}
int mac_tcsetattr(int fd, int when, const struct d_termios *d) {
  struct termios t;
  if (tcgetattr(fd, &t) != 0) return -1;
  to_linux(d, &t);
  return tcsetattr(fd, when & 3, &t);
}
void mac_cfmakeraw(struct d_termios *d) {
  struct termios t = {0};
  to_linux(d, &t);
  cfmakeraw(&t);
  to_darwin(&t, d);
}
int mac_cfsetispeed(void *, u64) { return 0; }
int mac_cfsetospeed(void *, u64) { return 0; }

/* What the program can do without */

int mac_backtrace(void **, int) { return 0; }
char **mac_backtrace_symbols(void **, int) { return NULL; }
void *mac_os_log_create(const char *, const char *) { return NULL; }
u32 mac_notify_register_file_descriptor(const char *, int *, int, int *) { return 1; /* NOTIFY_STATUS_INVALID_NAME */ }
u32 mac_notify_cancel(int) { return 0; }
int mac_DNSServiceCreateConnection(void *) { return -65563; /* kDNSServiceErr_ServiceNotRunning */ }
void *mac__NSConcreteStackBlock[32], *mac__NSConcreteMallocBlock[32];
void mac__Block_release(const void *) {}
u64 mac_NDR_record;
