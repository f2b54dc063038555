/* Memory: mmap(2) and its like, Mach's calls for the same, and malloc's zones. */
#include "macrun.h"
#include <malloc.h>
#include <sys/mman.h>

void *mac_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  int f = (flags & D_MAP_SHARED ? MAP_SHARED : 0) | (flags & D_MAP_PRIVATE ? MAP_PRIVATE : 0) |
          (flags & D_MAP_FIXED ? MAP_FIXED : 0) | (flags & D_MAP_NORESERVE ? MAP_NORESERVE : 0);
  /* Of anonymous memory fd is a tag there. XNU commits memory when it is touched, so nothing is reserved here. */
  if (flags & D_MAP_ANON) return mmap(at, size, protection, f | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return mmap(at, size, protection, f, fd, offset);
}

int mac_madvise(void *at, size_t size, int advice) {
  enum {
    D_MADV_WILLNEED = 3,
    D_MADV_FREE = 5,
    D_MADV_FREE_REUSABLE = 7,
    D_MADV_ZERO = 11,
  };
  if (advice < D_MADV_WILLNEED || advice == D_MADV_WILLNEED) return madvise(at, size, advice);
  if (advice == D_MADV_FREE || advice == D_MADV_FREE_REUSABLE || advice == D_MADV_ZERO)
    return madvise(at, size, MADV_DONTNEED);
  /* DONTNEED among them: on Darwin the contents stay. */
  return 0;
}

int mac_msync(void *at, size_t size, int flags) {
  enum { D_MS_ASYNC = 1, D_MS_INVALIDATE = 2, D_MS_SYNC = 0x10 };
  return msync(at, size,
               (flags & D_MS_ASYNC ? MS_ASYNC : 0) | (flags & D_MS_INVALIDATE ? MS_INVALIDATE : 0) |
                   (flags & D_MS_SYNC ? MS_SYNC : 0));
}

/* Mach's, of <mach/vm_map.h>; the task is always this one. */
enum { VM_FLAGS_ANYWHERE = 1, VM_FLAGS_OVERWRITE = 0x4000, VM_PROT_ALL = 7, PAGE = 4096 };

int mac_vm_deallocate(u32, u64 at, u64 size) {
  return munmap((void *)at, size) == 0 ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
}
int mac_vm_inherit(u32, u64, u64, int) { return KERN_SUCCESS; }

/* `mask` has the low bits that the address must not have. */
int mac_mach_vm_map(u32, u64 *at, u64 size, u64 mask, int flags, u32, u64, int, int protection, int, int) {
  int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  if (!(flags & VM_FLAGS_ANYWHERE)) {
    int fixed = flags & VM_FLAGS_OVERWRITE ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    void *p = mmap((void *)*at, size, protection & VM_PROT_ALL, anonymous | fixed, -1, 0);
    return p == MAP_FAILED ? KERN_NO_SPACE : KERN_SUCCESS;
  }
  size = (size + PAGE - 1) & ~(u64)(PAGE - 1);
  u64 excess = (mask + PAGE) & ~(u64)(PAGE - 1);
  u8 *p = mmap((void *)*at, size + excess, protection & VM_PROT_ALL, anonymous, -1, 0);
  if (p == MAP_FAILED) return KERN_NO_SPACE;
  u8 *aligned = (u8 *)(((u64)p + mask) & ~mask), *end = p + size + excess;
  if (aligned > p) munmap(p, aligned - p);
  if (aligned + size < end) munmap(aligned + size, end - (aligned + size));
  *at = (u64)aligned;
  return KERN_SUCCESS;
}

/* malloc_zone_t of <malloc/malloc.h>: every zone is glibc's heap. */
struct zone {
  void *reserved[2];
  size_t (*size)(struct zone *, const void *);
  void *(*malloc)(struct zone *, size_t);
  void *(*calloc)(struct zone *, size_t, size_t);
  void *(*valloc)(struct zone *, size_t);
  void (*free)(struct zone *, void *);
  void *(*realloc)(struct zone *, void *, size_t);
  void (*destroy)(struct zone *);
  const char *name;
  void *rest[20];
};
static size_t zone_size(struct zone *, const void *p) { return malloc_usable_size((void *)p); }
static void *zone_malloc(struct zone *, size_t size) { return malloc(size); }
static void *zone_calloc(struct zone *, size_t count, size_t size) { return calloc(count, size); }
static void *zone_valloc(struct zone *, size_t size) { return aligned_alloc(PAGE, (size + PAGE - 1) & ~(PAGE - 1ul)); }
static void zone_free(struct zone *, void *p) { free(p); }
static void *zone_realloc(struct zone *, void *p, size_t size) { return realloc(p, size); }
static void zone_destroy(struct zone *) {}
static struct zone default_zone = {
    .size = zone_size,
    .malloc = zone_malloc,
    .calloc = zone_calloc,
    .valloc = zone_valloc,
    .free = zone_free,
    .realloc = zone_realloc,
    .destroy = zone_destroy,
    .name = "DefaultMallocZone",
};
struct zone *mac_malloc_default_zone(void) {
  return &default_zone;
}
struct zone *mac_malloc_create_zone(u64, u32) {
  struct zone *zone = malloc(sizeof *zone);
  *zone = default_zone;
  return zone;
}
void mac_malloc_set_zone_name(struct zone *zone, const char *name) { zone->name = strdup(name); }
size_t mac_malloc_zone_pressure_relief(struct zone *, size_t) { return 0; }
