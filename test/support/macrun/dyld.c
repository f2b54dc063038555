/* What dyld tells a program of itself, and dlopen(3). The program is the only image. */
#include "macrun.h"
#include <dlfcn.h>

u32 mac__dyld_image_count(void) { return 1; }
void *mac__dyld_get_image_header(u32 i) { return i == 0 ? image_base : NULL; }
char *mac__dyld_get_image_name(u32 i) { return i == 0 ? program_path : NULL; }
long mac__dyld_get_image_vmaddr_slide(u32) { return 0; }

int mac__NSGetExecutablePath(char *to, u32 *size) {
  u32 needed = strlen(program_path) + 1;
  if (*size < needed) {
    *size = needed;
    return -1;
  }
  memcpy(to, program_path, needed);
  return 0;
}
int *mac__NSGetArgc(void) { return &program_argc; }
char ***mac__NSGetArgv(void) { return &program_argv; }
char ***mac__NSGetEnviron(void) { return &environ; }

/* RTLD_DEFAULT of <dlfcn.h>, and here the handle of libSystem: all that macrun has. */
#define D_RTLD_DEFAULT ((void *)-2)

static __thread char message[512];
static __thread bool failed;

static bool is_system(const char *path) {
  static const char *const names[] = {"/usr/lib/libSystem.B.dylib", "/usr/lib/libSystem.dylib", "libSystem.B.dylib",
                                      "libSystem.dylib"};
  for (size_t i = 0; i < LENGTH(names); i++)
    if (strcmp(path, names[i]) == 0) return true;
  return false;
}

void *mac_dlopen(const char *path, int mode) {
  failed = false;
  if (path == NULL || is_system(path)) return D_RTLD_DEFAULT;
  /* A library of Linux is a test's stand-in, whose functions have the same calling convention. */
  const char *suffix = strrchr(path, '.');
  void *stand_in = suffix && strcmp(suffix, ".so") == 0 ? dlopen(path, RTLD_NOW) : NULL;
  if (stand_in) return stand_in;
  snprintf(message, sizeof message, "dlopen(%s, 0x%04X): tried: '%s' (no such file)", path, mode, path);
  failed = true;
  return NULL;
}
void *mac_dlsym(void *handle, const char *name) {
  failed = false;
  void *found = (long)handle <= 0 ? find_symbol(name) : dlsym(handle, name);
  if (found) return found;
  snprintf(message, sizeof message, "dlsym(%p, %s): symbol not found", handle, name);
  failed = true;
  return NULL;
}
int mac_dlclose(void *) { return 0; }
char *mac_dlerror(void) {
  if (!failed) return NULL;
  failed = false;
  return message;
}
int mac_dladdr(void *, void *) { return 0; }
