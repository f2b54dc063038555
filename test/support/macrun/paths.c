/*
 * Where a Mac's paths lie here. With MACRUN_ROOT set, the tools and folders that only a Mac has are looked for
 * below that folder, so that a test brings its own.
 */
#include "macrun.h"
#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>

static bool is_of_a_mac(const char *path) {
  static const char *const names[] = {"/Library", "/Users", "/bin/launchctl", "/usr/sbin/lsof", "/usr/bin/sfltool"};
  for (size_t i = 0; i < LENGTH(names); i++) {
    size_t length = strlen(names[i]);
    if (strncmp(path, names[i], length) == 0 && (path[length] == '\0' || path[length] == '/')) return true;
  }
  return false;
}

static const char *root(void) {
  const char *value = getenv("MACRUN_ROOT");
  return value && *value ? value : NULL;
}

const char *host_path(const char *path) {
  static __thread char buffers[2][4096];
  static __thread unsigned turn;
  const char *folder = root();
  if (!folder || !path || !is_of_a_mac(path)) return path;
  char *there = buffers[turn++ % 2];
  snprintf(there, sizeof buffers[0], "%s%s", folder, path);
  return there;
}

void mac_path(char *path) {
  const char *folder = root();
  size_t length = folder ? strlen(folder) : 0;
  if (length && strncmp(path, folder, length) == 0 && is_of_a_mac(path + length))
    memmove(path, path + length, strlen(path + length) + 1);
}

int linux_at(int fd) { return fd == D_AT_FDCWD ? AT_FDCWD : fd; }
int linux_at_flags(int flags) {
  return (flags & D_AT_SYMLINK_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) |
         (flags & D_AT_SYMLINK_FOLLOW ? AT_SYMLINK_FOLLOW : 0) | (flags & D_AT_REMOVEDIR ? AT_REMOVEDIR : 0) |
         (flags & D_AT_EACCESS ? AT_EACCESS : 0);
}

static const int open_flags[][2] = {
    {D_O_NONBLOCK, O_NONBLOCK},
    {D_O_APPEND, O_APPEND},
    {D_O_ASYNC, O_ASYNC},
    {D_O_SYNC, O_SYNC},
    {D_O_CREAT, O_CREAT},
    {D_O_TRUNC, O_TRUNC},
    {D_O_EXCL, O_EXCL},
    {D_O_DSYNC, O_DSYNC},
    {D_O_NOFOLLOW, O_NOFOLLOW},
    {D_O_NOCTTY, O_NOCTTY},
    {D_O_CLOEXEC, O_CLOEXEC},
    {D_O_DIRECTORY, O_DIRECTORY},
    {D_O_SYMLINK, O_PATH | O_NOFOLLOW},
};

int linux_open_flags(int flags) {
  int result = flags & O_ACCMODE;
  for (size_t i = 0; i < LENGTH(open_flags); i++)
    if (flags & open_flags[i][0]) result |= open_flags[i][1];
  return result;
}

/* Those that fcntl(F_GETFL) tells of. */
int darwin_open_flags(int flags) {
  return (flags & O_ACCMODE) | (flags & O_NONBLOCK ? D_O_NONBLOCK : 0) | (flags & O_APPEND ? D_O_APPEND : 0) |
         (flags & O_ASYNC ? D_O_ASYNC : 0) | ((flags & O_SYNC) == O_SYNC ? D_O_SYNC : 0);
}

/* XNU opens no socket: EOPNOTSUPP (bsd/vfs/vfs_subr.c, vn_authorize_open_existing), where Linux says ENXIO. */
static int failed_to_open(int folder, const char *path) {
  struct stat status;
  if (errno != ENXIO) return -1;
  if (fstatat(folder, path, &status, 0) == 0 && S_ISSOCK(status.st_mode)) return fail(D_EOPNOTSUPP);
  errno = ENXIO;
  return -1;
}

static int opened(int fd, int flags) {
  int operation = (flags & D_O_EXLOCK ? LOCK_EX : LOCK_SH) | (flags & D_O_NONBLOCK ? LOCK_NB : 0);
  if (!(flags & (D_O_EXLOCK | D_O_SHLOCK)) || flock(fd, operation) == 0) return new_descriptor(fd);
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

int mac_open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  int mode = va_arg(arguments, int);
  va_end(arguments);
  int fd = open(host_path(path), linux_open_flags(flags), mode);
  return fd < 0 ? failed_to_open(AT_FDCWD, host_path(path)) : opened(fd, flags);
}
int mac_openat(int folder, const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  int mode = va_arg(arguments, int);
  va_end(arguments);
  int fd = openat(linux_at(folder), host_path(path), linux_open_flags(flags), mode);
  return fd < 0 ? failed_to_open(linux_at(folder), host_path(path)) : opened(fd, flags);
}
int mac_mkostemp(char *template, int flags) { return new_descriptor(mkostemp(template, linux_open_flags(flags))); }

int mac_access(const char *path, int mode) { return access(host_path(path), mode); }
int mac_faccessat(int folder, const char *path, int mode, int flags) {
  return faccessat(linux_at(folder), host_path(path), mode, linux_at_flags(flags));
}
int mac_chdir(const char *path) { return chdir(host_path(path)); }
char *mac_getcwd(char *to, size_t size) {
  char *result = getcwd(to, size);
  if (result) mac_path(result);
  return result;
}
int mac_chmod(const char *path, mode_t mode) { return chmod(host_path(path), mode); }
int mac_fchmodat(int folder, const char *path, mode_t mode, int) {
  return fchmodat(linux_at(folder), host_path(path), mode, 0);
}
int mac_chown(const char *path, uid_t user, gid_t group) { return chown(host_path(path), user, group); }
int mac_lchown(const char *path, uid_t user, gid_t group) { return lchown(host_path(path), user, group); }
int mac_link(const char *from, const char *to) { return link(host_path(from), host_path(to)); }
int mac_linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
  return linkat(linux_at(from_folder), host_path(from), linux_at(to_folder), host_path(to), linux_at_flags(flags));
}
int mac_mkdir(const char *path, mode_t mode) { return mkdir(host_path(path), mode); }
int mac_mkdirat(int folder, const char *path, mode_t mode) { return mkdirat(linux_at(folder), host_path(path), mode); }
ssize_t mac_readlink(const char *path, char *to, size_t size) { return readlink(host_path(path), to, size); }
ssize_t mac_readlinkat(int folder, const char *path, char *to, size_t size) {
  return readlinkat(linux_at(folder), host_path(path), to, size);
}
char *mac_realpath(const char *path, char *to) {
  char *result = realpath(host_path(path), to);
  if (result) mac_path(result);
  return result;
}
int mac_rename(const char *from, const char *to) { return rename(host_path(from), host_path(to)); }
int mac_renameat(int from_folder, const char *from, int to_folder, const char *to) {
  return renameat(linux_at(from_folder), host_path(from), linux_at(to_folder), host_path(to));
}
int mac_renameatx_np(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
  return renameat2(linux_at(from_folder), host_path(from), linux_at(to_folder), host_path(to),
                   (flags & D_RENAME_SWAP ? RENAME_EXCHANGE : 0) | (flags & D_RENAME_EXCL ? RENAME_NOREPLACE : 0));
}
int mac_rmdir(const char *path) { return rmdir(host_path(path)); }
int mac_symlink(const char *to, const char *path) { return symlink(to, host_path(path)); }
int mac_symlinkat(const char *to, int folder, const char *path) {
  return symlinkat(to, linux_at(folder), host_path(path));
}
int mac_truncate(const char *path, off_t size) { return truncate(host_path(path), size); }
int mac_unlink(const char *path) { return unlink(host_path(path)); }
int mac_unlinkat(int folder, const char *path, int flags) {
  return unlinkat(linux_at(folder), host_path(path), linux_at_flags(flags));
}
