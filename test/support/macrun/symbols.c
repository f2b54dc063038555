/* Finds what the program imports: a function of macrun's, or one of glibc, libc++ or ICU whose ABI is the same. */
#include "macrun.h"
#include <dlfcn.h>
#include <sys/mman.h>

/* Sorted, for bsearch(3). */
static const char *const same_in_glibc[] = {
#include "glibc-symbols.h"
};

/* Debian 12's; ICU adds its version to each name. */
#define ICU_VERSION "72"

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void *open_library(const char *name) {
  void *library = dlopen(name, RTLD_NOW);
  if (library) return library;
  fprintf(stderr, "macrun: %s is missing; install libc++1, libc++abi1 and libicu" ICU_VERSION "\n", name);
  exit(126);
}

/* Ours has the name mac_NAME; a character that C's names cannot have is an underscore. */
static void *find_own(const char *name) {
  char own[512];
  snprintf(own, sizeof own, "mac_%s", name);
  for (char *c = own; *c; c++)
    if (*c == '$') *c = '_';
  return dlsym(RTLD_DEFAULT, own);
}

static void *find_icu(const char *name) {
  static void *common, *international;
  if (!common) common = open_library("libicuuc.so." ICU_VERSION);
  if (!international) international = open_library("libicui18n.so." ICU_VERSION);
  char versioned[512 + sizeof "_" ICU_VERSION];
  snprintf(versioned, sizeof versioned, "%s_" ICU_VERSION, name);
  void *found = dlsym(common, versioned);
  return found ? found : dlsym(international, versioned);
}

static void *find_cxx(const char *name) {
  static void *library;
  if (!library) library = open_library("libc++.so.1");
  return dlsym(library, name);
}

static bool is_cxx(const char *name) {
  return strncmp(name, "_Z", 2) == 0 || strncmp(name, "__cxa_guard", 11) == 0 || strcmp(name, "__cxa_demangle") == 0;
}

void *find_symbol(const char *name) {
  void *found = find_own(name);
  if (found) return found;
  /* NAME$INODE64, NAME$NOCANCEL and their like: variants of one function. */
  char base[512];
  snprintf(base, sizeof base, "%.*s", (int)strcspn(name, "$"), name);
  if (strlen(base) < strlen(name) && (found = find_own(base))) return found;
  const char *key = base;
  if (bsearch(&key, same_in_glibc, LENGTH(same_in_glibc), sizeof key, by_name) && (found = dlsym(RTLD_DEFAULT, base)))
    return found;
  if (base[0] == 'u' && (found = find_icu(base))) return found;
  return is_cxx(base) ? find_cxx(base) : NULL;
}

static void stop(const char *name) {
  fprintf(stderr, "macrun: the program called %s, which is not implemented\n", name);
  abort();
}

/* mov $name, %rdi; mov $stop, %rax; and $-16, %rsp; call *%rax */
struct __attribute__((packed)) stub {
  u8 load_name[2];
  const char *name;
  u8 load_stop[2];
  void *stop;
  u8 align_and_call[6];
};

void *missing_symbol(const char *name) {
  static struct stub *free_stub, *end;
  if (free_stub == end) {
    size_t size = 1024 * sizeof *free_stub;
    free_stub = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    end = free_stub + 1024;
  }
  *free_stub = (struct stub){{0x48, 0xbf}, name, {0x48, 0xb8}, stop, {0x48, 0x83, 0xe4, 0xf0, 0xff, 0xd0}};
  return free_stub++;
}
