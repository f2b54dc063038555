/* Files: their status, times, folders and file systems, in Darwin's structures. */
#include "macrun.h"
#include <dirent.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

/* struct stat of <sys/stat.h>, with 64-bit inodes */
struct d_stat {
  int device;
  u16 mode, links;
  u64 inode;
  u32 user, group;
  int device_type, padding;
  struct timespec accessed, modified, changed, born;
  i64 size, blocks;
  int block_size;
  u32 flags, generation;
  int spare;
  i64 spares[2];
};
_Static_assert(sizeof(struct d_stat) == 144, "struct stat");

static int translate(int result, const struct stat *s, struct d_stat *d) {
  if (result != 0) return result;
  *d = (struct d_stat){
      .device = s->st_dev,
      .mode = s->st_mode,
      .links = s->st_nlink,
      .inode = s->st_ino,
      .user = s->st_uid,
      .group = s->st_gid,
      .device_type = s->st_rdev,
      .accessed = s->st_atim,
      .modified = s->st_mtim,
      .changed = s->st_ctim,
      .born = s->st_ctim,
      .size = s->st_size,
      .blocks = s->st_blocks,
      .block_size = s->st_blksize,
  };
  return 0;
}
int mac_stat(const char *path, struct d_stat *d) {
  struct stat s;
  return translate(stat(host_path(path), &s), &s, d);
}
int mac_lstat(const char *path, struct d_stat *d) {
  struct stat s;
  return translate(lstat(host_path(path), &s), &s, d);
}
int mac_fstat(int fd, struct d_stat *d) {
  struct stat s;
  return translate(fstat(fd, &s), &s, d);
}
int mac_fstatat(int folder, const char *path, struct d_stat *d, int flags) {
  struct stat s;
  return translate(fstatat(linux_at(folder), host_path(path), &s, linux_at_flags(flags)), &s, d);
}

/* UTIME_NOW and UTIME_OMIT of Darwin are -1 and -2. */
static struct timespec *linux_times(const struct timespec *times, struct timespec to[2]) {
  if (times == NULL) return NULL;
  for (int i = 0; i < 2; i++) {
    to[i] = times[i];
    if (times[i].tv_nsec == -1) to[i].tv_nsec = UTIME_NOW;
    if (times[i].tv_nsec == -2) to[i].tv_nsec = UTIME_OMIT;
  }
  return to;
}
int mac_utimensat(int folder, const char *path, const struct timespec *times, int flags) {
  struct timespec to[2];
  return utimensat(linux_at(folder), host_path(path), linux_times(times, to), linux_at_flags(flags));
}
int mac_futimens(int fd, const struct timespec *times) {
  struct timespec to[2];
  return futimens(fd, linux_times(times, to));
}

off_t mac_lseek(int fd, off_t offset, int whence) {
  return lseek(fd, offset, whence == D_SEEK_HOLE ? SEEK_HOLE : whence == D_SEEK_DATA ? SEEK_DATA : whence);
}
ssize_t mac_pread(int fd, void *to, size_t size, off_t offset) { return pread(fd, to, size, offset); }
ssize_t mac_pwrite(int fd, const void *from, size_t size, off_t offset) { return pwrite(fd, from, size, offset); }

int mac_fcopyfile(int from, int to, void *, u32) {
  char buffer[65536];
  ssize_t length;
  while ((length = read(from, buffer, sizeof buffer)) > 0)
    for (ssize_t done = 0, n; done < length; done += n)
      if ((n = write(to, buffer + done, length - done)) < 0) return -1;
  return length;
}

/* What HFS and APFS can and Linux's file systems cannot. */
int mac_clonefile(const char *, const char *, int) { return fail(D_ENOTSUP); }
int mac_clonefileat(int, const char *, int, const char *, int) { return fail(D_ENOTSUP); }
int mac_copyfile(const char *, const char *, void *, u32) { return fail(D_ENOTSUP); }
ssize_t mac_fgetxattr(int, const char *, void *, size_t, u32, int) { return fail(D_ENOTSUP); }
ssize_t mac_flistxattr(int, char *, size_t, int) { return 0; }
int mac_lchmod(const char *, mode_t) { return fail(D_ENOTSUP); }
int mac___pthread_fchdir(int) { return fail(D_ENOTSUP); }

struct linux_entry {
  u64 inode;
  i64 next;
  u16 size;
  u8 type;
  char name[];
};
/* struct dirent of <sys/dirent.h>, with 64-bit inodes; its names end with a NUL, its size is a multiple of 8 here. */
struct d_entry {
  u64 inode, next;
  u16 size, name_length;
  u8 type;
  char name[];
};
enum { NAME_OFFSET = 21 };
_Static_assert(offsetof(struct d_entry, name) == NAME_OFFSET, "struct dirent");

static size_t entry_size(const struct linux_entry *l) { return (NAME_OFFSET + strlen(l->name) + 1 + 7) & ~7ul; }

static size_t put_entry(const struct linux_entry *l, char *to) {
  struct d_entry *d = (void *)to;
  size_t size = entry_size(l);
  memset(d, 0, size);
  d->inode = l->inode;
  d->next = l->next;
  d->size = size;
  d->name_length = strlen(l->name);
  d->type = l->type;
  strcpy(d->name, l->name);
  return size;
}

/* Fills `to` with whole entries; what has been read in excess is read again by the next call. */
ssize_t mac___getdirentries64(int fd, char *to, size_t size, long *base) {
  char entries[16384];
  size_t used = 0;
  i64 position = lseek(fd, 0, SEEK_CUR);
  if (base) *base = position;
  for (;;) {
    long got = syscall(SYS_getdents64, fd, entries, sizeof entries);
    if (got <= 0) return got < 0 && used == 0 ? -1 : (ssize_t)used;
    for (long at = 0; at < got;) {
      const struct linux_entry *entry = (void *)(entries + at);
      /* The caller's buffer ends with 4 bytes of flags (bsd/vfs/vfs_syscalls.c, getdirentries64). */
      if (used + entry_size(entry) > size - 8) {
        lseek(fd, position, SEEK_SET);
        return used;
      }
      used += put_entry(entry, to + used);
      position = entry->next;
      at += entry->size;
    }
  }
}

/* struct statfs of <sys/mount.h>, with 64-bit inodes */
struct d_statfs {
  u32 block_size;
  int io_size;
  u64 blocks, free_blocks, available, files, free_files;
  int id[2];
  u32 owner, type, flags, subtype;
  char type_name[16], mounted_on[1024], mounted_from[1024];
  u32 flags_extended, reserved[7];
};
int mac_statfs64(const char *path, struct d_statfs *d) {
  struct statfs s;
  if (statfs(host_path(path), &s) != 0) return -1;
  *d = (struct d_statfs){
      .block_size = s.f_bsize,
      .io_size = s.f_bsize,
      .blocks = s.f_blocks,
      .free_blocks = s.f_bfree,
      .available = s.f_bavail,
      .files = s.f_files,
      .free_files = s.f_ffree,
      .type_name = "apfs",
      .mounted_on = "/",
  };
  return 0;
}
int mac_statfs(const char *path, struct d_statfs *d) { return mac_statfs64(path, d); }
