/*
 * Maps a Mach-O executable for x86-64 at the addresses that it names, and binds what it imports. The structures are
 * those of <mach-o/loader.h> and <mach-o/fixup-chains.h>; what is done with them is dyld's work (dyld,
 * MachOLoaded.cpp).
 */
#include "macrun.h"
#include <sys/mman.h>

enum {
  MAGIC = 0xfeedfacf,
  CPU_X86_64 = 0x01000007,
  LC_SEGMENT_64 = 0x19,
  LC_MAIN = 0x80000028,
  LC_DYLD_CHAINED_FIXUPS = 0x80000034,
  PAGE = 4096,
  PROT_EXECUTE = 4,
  SG_READ_ONLY = 0x10,
  S_MOD_INIT_FUNC_POINTERS = 0x09,
  S_THREAD_LOCAL_REGULAR = 0x11,
  S_THREAD_LOCAL_ZEROFILL = 0x12,
  S_THREAD_LOCAL_VARIABLES = 0x13,
  S_INIT_FUNC_OFFSETS = 0x16,
};

struct header {
  u32 magic, cpu, subtype, file_type, commands, commands_size, flags, reserved;
};
struct command {
  u32 command, size;
};
struct segment {
  u32 command, size;
  char name[16];
  u64 address, memory_size, file_offset, file_size;
  u32 max_protection, protection, sections, flags;
};
struct section {
  char name[16], segment[16];
  u64 address, size;
  u32 offset, align, relocations_offset, relocations, flags, reserved[3];
};
struct main_command {
  u32 command, size;
  u64 entry, stack_size;
};
struct data_command {
  u32 command, size, offset, data_size;
};
struct fixups_header {
  u32 version, starts, imports, symbols, count, imports_format, symbols_format;
};
struct starts_in_segment {
  u32 size;
  u16 page_size, format;
  u64 offset;
  u32 max_pointer;
  u16 pages, first[];
};
enum { IMPORT = 1, POINTER_64 = 2, POINTER_64_OFFSET = 6, NO_FIXUPS = 0xffff };

void *image_base;
static const struct header *header;
static const u8 *linkedit;
static u64 linkedit_offset;

/* Of initialisers, either kind: 32-bit offsets or pointers. */
static u32 *offsets;
static u64 *pointers, offsets_count, pointers_count;

static _Noreturn void die(const char *path, const char *why) {
  fprintf(stderr, "macrun: cannot run %s: %s\n", path, why);
  exit(126);
}

static const struct command *next(const struct command *command) {
  return (const void *)((const u8 *)command + command->size);
}

static void map_segment(int fd, const char *path, const struct segment *s) {
  u8 *at = (u8 *)s->address;
  u64 memory = (s->memory_size + PAGE - 1) & ~(u64)(PAGE - 1), file = (s->file_size + PAGE - 1) & ~(u64)(PAGE - 1);
  int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE;
  if (mmap(at, memory, PROT_READ | PROT_WRITE, anonymous, -1, 0) != at) die(path, "an address of it is taken");
  if (s->file_size == 0) return;
  int protection = PROT_READ | (s->protection & PROT_EXECUTE ? PROT_EXEC : PROT_WRITE);
  if (s->file_offset % PAGE != 0 ||
      mmap(at, file, protection, MAP_PRIVATE | MAP_FIXED, fd, s->file_offset) == MAP_FAILED)
    die(path, "a segment cannot be mapped");
  if (s->file_size < s->memory_size && s->file_size % PAGE != 0) memset(at + s->file_size, 0, file - s->file_size);
}

/* Where thread-local variables begin and end, and how much of that has initial values other than zero. */
struct extent {
  u64 start, end, filled;
};

static void note_section(const struct section *s, struct extent *locals) {
  switch (s->flags & 0xff) {
  case S_MOD_INIT_FUNC_POINTERS:
    pointers = (u64 *)s->address;
    pointers_count = s->size / sizeof *pointers;
    break;
  case S_INIT_FUNC_OFFSETS:
    offsets = (u32 *)s->address;
    offsets_count = s->size / sizeof *offsets;
    break;
  case S_THREAD_LOCAL_REGULAR: locals->filled = s->address + s->size; /* fall through */
  case S_THREAD_LOCAL_ZEROFILL:
    if (locals->start == 0 || s->address < locals->start) locals->start = s->address;
    if (s->address + s->size > locals->end) locals->end = s->address + s->size;
    break;
  }
}

/* The addresses of all imports, in their order. */
static void **bind_imports(const u8 *data, const struct fixups_header *fixups) {
  void **bound = calloc(fixups->count, sizeof *bound);
  const u32 *imports = (const u32 *)(data + fixups->imports);
  for (u32 i = 0; i < fixups->count; i++) {
    const char *name = (const char *)data + fixups->symbols + (imports[i] >> 9);
    bool weak = imports[i] >> 8 & 1;
    bound[i] = strcmp(name, "__tlv_bootstrap") == 0 ? tlv_thunk : find_symbol(name + 1);
    if (bound[i] || weak) continue;
    if (getenv("MACRUN_MISSING")) fprintf(stderr, "macrun: no %s\n", name);
    bound[i] = missing_symbol(name);
  }
  return bound;
}

/* Follows one chain of pointers: each says how to fill it, and how far away the next is, in steps of 4 bytes. */
static void fix_chain(u8 *at, u16 format, void **bound) {
  for (u32 step = 1; step != 0; at += step * 4) {
    u64 value = *(u64 *)at;
    step = value >> 51 & 0xfff;
    if (value >> 63) {
      *(u64 *)at = (u64)bound[value & 0xffffff] + (value >> 24 & 0xff);
    } else {
      u64 target = value & 0xfffffffff;
      if (format == POINTER_64_OFFSET) target += (u64)image_base;
      *(u64 *)at = target | (value >> 36 & 0xff) << 56;
    }
  }
}

static void apply_fixups(const char *path, u32 offset) {
  const u8 *data = linkedit + (offset - linkedit_offset);
  const struct fixups_header *fixups = (const void *)data;
  if (fixups->imports_format != IMPORT || fixups->symbols_format != 0) die(path, "unknown format of its imports");
  void **bound = bind_imports(data, fixups);
  const u32 *starts = (const u32 *)(data + fixups->starts);
  for (u32 segment = 0; segment < starts[0]; segment++) {
    if (starts[1 + segment] == 0) continue;
    const struct starts_in_segment *s = (const void *)((const u8 *)starts + starts[1 + segment]);
    if (s->format != POINTER_64 && s->format != POINTER_64_OFFSET) die(path, "unknown format of its pointers");
    for (u32 page = 0; page < s->pages; page++)
      if (s->first[page] != NO_FIXUPS)
        fix_chain((u8 *)image_base + s->offset + (u64)page * s->page_size + s->first[page], s->format, bound);
  }
  free(bound);
}

/* Each thread-local variable has three words, of which the first is the function that finds it. */
static void fill_descriptors(const struct section *s) {
  for (u64 *word = (u64 *)s->address; word < (u64 *)(s->address + s->size); word += 3) *word = (u64)tlv_thunk;
}

static void each_section(const struct command *first, u32 count, void (*visit)(const struct section *)) {
  for (const struct command *c = first; count-- > 0; c = next(c)) {
    const struct segment *segment = (const void *)c;
    if (c->command != LC_SEGMENT_64) continue;
    for (u32 i = 0; i < segment->sections; i++) visit((const struct section *)(segment + 1) + i);
  }
}

static struct extent locals;
static void prepare_section(const struct section *s) { note_section(s, &locals); }
static void finish_section(const struct section *s) {
  if ((s->flags & 0xff) == S_THREAD_LOCAL_VARIABLES) fill_descriptors(s);
}

void load_image(const char *path, struct image *image) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) die(path, strerror(errno));
  struct header h;
  if (pread(fd, &h, sizeof h, 0) != sizeof h || h.magic != MAGIC || h.cpu != CPU_X86_64)
    die(path, "not a Mach-O program for x86-64");
  struct command *commands = malloc(h.commands_size);
  if (pread(fd, commands, h.commands_size, sizeof h) != (ssize_t)h.commands_size) die(path, "it is cut off");

  u32 fixups = 0;
  *image = (struct image){.stack_size = 8 << 20};
  const struct command *c = commands;
  for (u32 i = 0; i < h.commands; i++, c = next(c)) {
    const struct segment *segment = (const void *)c;
    if (c->command == LC_DYLD_CHAINED_FIXUPS) fixups = ((const struct data_command *)c)->offset;
    if (c->command == LC_MAIN) {
      image->entry = ((const struct main_command *)c)->entry;
      if (((const struct main_command *)c)->stack_size)
        image->stack_size = ((const struct main_command *)c)->stack_size;
    }
    if (c->command != LC_SEGMENT_64 || strcmp(segment->name, "__PAGEZERO") == 0) continue;
    if (strcmp(segment->name, "__TEXT") == 0) header = image_base = (void *)segment->address;
    map_segment(fd, path, segment);
    if (strcmp(segment->name, "__LINKEDIT") == 0) {
      linkedit = (const u8 *)segment->address;
      linkedit_offset = segment->file_offset;
    }
  }
  close(fd);
  if (header == NULL || linkedit == NULL) die(path, "it lacks a segment");
  each_section(commands, h.commands, prepare_section);
  if (fixups) apply_fixups(path, fixups);
  each_section(commands, h.commands, finish_section);
  c = commands;
  for (u32 i = 0; i < h.commands; i++, c = next(c)) {
    const struct segment *segment = (const void *)c;
    if (c->command == LC_SEGMENT_64 && segment->flags & SG_READ_ONLY)
      mprotect((void *)segment->address, segment->memory_size, PROT_READ);
  }
  image->tlv_start = locals.start;
  image->tlv_size = locals.end - locals.start;
  image->tlv_filled = locals.filled ? locals.filled - locals.start : 0;
  free(commands);
}

void run_initialisers(int argc, char **argv, char **envp, char **apple) {
  typedef void initialiser(int, char **, char **, char **, void *);
  for (u64 i = 0; i < offsets_count; i++)
    ((initialiser *)((u8 *)image_base + offsets[i]))(argc, argv, envp, apple, NULL);
  for (u64 i = 0; i < pointers_count; i++) ((initialiser *)pointers[i])(argc, argv, envp, apple, NULL);
}

/* A section of the image, or with no name a whole segment, as getsectiondata(3) finds it. */
static void *find_section(const char *segment_name, const char *name, u64 *size) {
  const struct command *c = (const void *)(header + 1);
  for (u32 i = 0; i < header->commands; i++, c = next(c)) {
    const struct segment *segment = (const void *)c;
    if (c->command != LC_SEGMENT_64 || strncmp(segment->name, segment_name, sizeof segment->name) != 0) continue;
    if (name == NULL) {
      *size = segment->memory_size;
      return (void *)segment->address;
    }
    const struct section *sections = (const void *)(segment + 1);
    for (u32 k = 0; k < segment->sections; k++) {
      if (strncmp(sections[k].name, name, sizeof sections[k].name) != 0) continue;
      *size = sections[k].size;
      return (void *)sections[k].address;
    }
  }
  return NULL;
}

void *mac_getsectiondata(void *, const char *segment, const char *name, u64 *size) {
  return find_section(segment, name, size);
}
void *mac_getsegmentdata(void *, const char *segment, u64 *size) { return find_section(segment, NULL, size); }
void *mac_getsegbyname(const char *) { return NULL; }
