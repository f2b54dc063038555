/* What a program asks its system for: limits, usage, accounts, facts, the time. */
#include "macrun.h"
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>

static int setting(const char *name, int otherwise) {
  const char *value = getenv(name);
  return value ? atoi(value) : otherwise;
}
/* kern.maxfilesperproc as it is on a Mac with little memory, kern.ipc.somaxconn as on every one. */
static int files_per_process(void) { return setting("MACRUN_MAXFILESPERPROC", 61440); }
int somaxconn(void) { return setting("MACRUN_SOMAXCONN", 128); }

/* Limits */

static int linux_resource(int resource) {
  static const int numbers[] = {RLIMIT_CPU, RLIMIT_FSIZE,   RLIMIT_DATA,  RLIMIT_STACK, RLIMIT_CORE,
                                RLIMIT_AS,  RLIMIT_MEMLOCK, RLIMIT_NPROC, RLIMIT_NOFILE};
  return resource >= 0 && resource < (int)LENGTH(numbers) ? numbers[resource] : -1;
}

/* What the program has set RLIMIT_NOFILE to: XNU keeps more than it grants. */
static u64 soft_files;

/*
 * Of open files there is no hard limit on a Mac, and any number may be set; kern.maxfilesperproc is what counts
 * (bsd/kern/kern_resource.c, dosetrlimit). A hard limit that a test has set lower is kept as it is.
 */
enum { FEW_FILES = 16384 };

int mac_getrlimit(int resource, u64 limits[2]) {
  struct rlimit l;
  resource &= ~D_RLIMIT_POSIX_FLAG;
  if (getrlimit(linux_resource(resource), &l) != 0) return -1;
  limits[0] = l.rlim_cur == RLIM_INFINITY ? D_RLIM_INFINITY : l.rlim_cur;
  limits[1] = l.rlim_max == RLIM_INFINITY ? D_RLIM_INFINITY : l.rlim_max;
  if (resource != D_RLIMIT_NOFILE || l.rlim_max < FEW_FILES) return 0;
  limits[1] = D_RLIM_INFINITY;
  if (soft_files) limits[0] = soft_files;
  return 0;
}

int mac_setrlimit(int resource, const u64 limits[2]) {
  resource &= ~D_RLIMIT_POSIX_FLAG;
  trace("setrlimit %d %llx %llx", resource, (unsigned long long)limits[0], (unsigned long long)limits[1]);
  if (limits[0] > limits[1]) return fail(D_EINVAL);
  struct rlimit old, l = {
                         .rlim_cur = limits[0] >= D_RLIM_INFINITY ? RLIM_INFINITY : limits[0],
                         .rlim_max = limits[1] >= D_RLIM_INFINITY ? RLIM_INFINITY : limits[1],
                     };
  if (resource == D_RLIMIT_NOFILE && getrlimit(RLIMIT_NOFILE, &old) == 0) {
    soft_files = limits[0];
    if (l.rlim_max > old.rlim_max) l.rlim_max = old.rlim_max;
    if (l.rlim_cur > (rlim_t)files_per_process()) l.rlim_cur = files_per_process();
    if (l.rlim_cur > l.rlim_max) l.rlim_cur = l.rlim_max;
  }
  return setrlimit(linux_resource(resource), &l);
}

int mac_getdtablesize(void) {
  struct rlimit l;
  getrlimit(RLIMIT_NOFILE, &l);
  return l.rlim_cur;
}

/* Darwin counts ru_maxrss in bytes. */
int mac_getrusage(int who, struct rusage *usage) {
  int result = getrusage(who, usage);
  if (result == 0) usage->ru_maxrss *= 1024;
  return result;
}

/* Accounts */

struct d_passwd {
  char *name, *password;
  u32 user, group;
  i64 change;
  char *class, *full_name, *home, *shell;
  i64 expire;
};
static int account(int error, const struct passwd *found, struct d_passwd *d, struct d_passwd **result) {
  *result = NULL;
  if (error || !found) return darwin_error(error);
  *d = (struct d_passwd){.name = found->pw_name,
                         .password = found->pw_passwd,
                         .user = found->pw_uid,
                         .group = found->pw_gid,
                         .class = (char *)"",
                         .full_name = found->pw_gecos,
                         .home = found->pw_dir,
                         .shell = found->pw_shell};
  *result = d;
  return 0;
}
int mac_getpwnam_r(const char *name, struct d_passwd *d, char *text, size_t size, struct d_passwd **result) {
  struct passwd l, *found = NULL;
  int error = getpwnam_r(name, &l, text, size, &found);
  return account(error, found, d, result);
}
int mac_getpwuid_r(uid_t user, struct d_passwd *d, char *text, size_t size, struct d_passwd **result) {
  struct passwd l, *found = NULL;
  int error = getpwuid_r(user, &l, text, size, &found);
  return account(error, found, d, result);
}
int mac_getgrnam_r(const char *name, struct group *group, char *text, size_t size, struct group **result) {
  return darwin_error(getgrnam_r(name, group, text, size, result));
}
int mac_initgroups(const char *name, int group) { return initgroups(name, group); }

/* Facts */

#define RELEASE "24.5.0"
#define VERSION "Darwin Kernel Version " RELEASE " (macrun)"

int mac_uname(char *to) {
  enum { FIELD = 256 }; /* _SYS_NAMELEN */
  struct utsname l;
  uname(&l);
  const char *fields[] = {"Darwin", l.nodename, RELEASE, VERSION, "x86_64"};
  memset(to, 0, LENGTH(fields) * FIELD);
  for (size_t i = 0; i < LENGTH(fields); i++) snprintf(to + i * FIELD, FIELD, "%s", fields[i]);
  return 0;
}

/* <unistd.h>'s numbers of Darwin */
long mac_sysconf(int name) {
  switch (name) {
  case 1: return 1048576;                /* ARG_MAX */
  case 2: return sysconf(_SC_CHILD_MAX); /* CHILD_MAX */
  case 3: return 100;                    /* CLK_TCK */
  case 4: return 16;                     /* NGROUPS_MAX */
  case 5: return mac_getdtablesize();    /* OPEN_MAX */
  case 29: return 4096;                  /* PAGESIZE */
  case 56: return 1024;                  /* IOV_MAX */
  case 57:                               /* NPROCESSORS_CONF */
  case 58: return sysconf(_SC_NPROCESSORS_ONLN);
  case 70:                                  /* GETGR_R_SIZE_MAX */
  case 71: return 4096;                     /* GETPW_R_SIZE_MAX */
  case 72: return 255;                      /* HOST_NAME_MAX */
  case 200: return sysconf(_SC_PHYS_PAGES); /* PHYS_PAGES */
  }
  fprintf(stderr, "macrun: sysconf %d is not implemented\n", name);
  return fail(D_EINVAL);
}

/* As sysctl(3) answers: no `to` asks for the length, too little room is ENOMEM. */
static int answer(void *to, size_t *size, const void *from, size_t length) {
  if (!to) {
    if (size) *size = length;
    return 0;
  }
  if (*size < length) {
    memcpy(to, from, *size);
    return fail(D_ENOMEM);
  }
  memcpy(to, from, length);
  *size = length;
  return 0;
}

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

/* The value of a number, and its size in bytes; 0: it is not one of these. */
static size_t number(const char *name, i64 *value) {
  if (begins(name, "hw.logicalcpu") || begins(name, "hw.physicalcpu") || strcmp(name, "hw.ncpu") == 0 ||
      strcmp(name, "hw.activecpu") == 0)
    return *value = sysconf(_SC_NPROCESSORS_ONLN), 4;
  if (strcmp(name, "hw.memsize") == 0) return *value = sysconf(_SC_PHYS_PAGES) * 4096, 8;
  if (strcmp(name, "hw.pagesize") == 0) return *value = 4096, 8;
  if (strcmp(name, "hw.cachelinesize") == 0) return *value = 64, 8;
  if (begins(name, "hw.l1") || begins(name, "hw.l2cachesize") || begins(name, "hw.l3cachesize"))
    return *value = 1 << 20, 8;
  if (strcmp(name, "hw.cpufrequency") == 0) return *value = 2400000000, 8;
  if (begins(name, "hw.optional.")) return *value = strstr(name, "avx512") == NULL, 4;
  if (strcmp(name, "kern.maxfilesperproc") == 0) return *value = files_per_process(), 4;
  if (strcmp(name, "kern.ipc.somaxconn") == 0) return *value = somaxconn(), 4;
  return 0;
}

int mac_sysctlbyname(const char *name, void *to, size_t *size, void *, size_t) {
  static const char *const texts[][2] = {
      {"kern.osrelease", RELEASE}, {"kern.osproductversion", "15.5"}, {"kern.version", VERSION},
      {"kern.ostype", "Darwin"},   {"hw.model", "MacPro7,1"},         {"machdep.cpu.brand_string", "macrun"},
      {"hw.machine", "x86_64"},
  };
  trace("sysctlbyname %s", name);
  i64 value;
  size_t length = number(name, &value);
  if (length > 0) return answer(to, size, &value, length);
  for (size_t i = 0; i < LENGTH(texts); i++)
    if (strcmp(name, texts[i][0]) == 0) return answer(to, size, texts[i][1], strlen(texts[i][1]) + 1);
  if (strcmp(name, "kern.boottime") == 0) {
    struct timespec up;
    clock_gettime(CLOCK_BOOTTIME, &up);
    i64 booted[2] = {time(NULL) - up.tv_sec, 0};
    return answer(to, size, booted, sizeof booted);
  }
  if (strcmp(name, "vm.loadavg") == 0) {
    u32 load[6] = {0, 0, 0, 0, 2048, 0};
    return answer(to, size, load, sizeof load);
  }
  return fail(D_ENOENT);
}

int mac_sysctl(int *name, u32 length, void *to, size_t *size, void *set, size_t set_size) {
  static const struct {
    int top, second;
    const char *name;
  } names[] = {
      {1, 1, "kern.ostype"},           {1, 2, "kern.osrelease"}, {1, 4, "kern.version"}, {1, 21, "kern.boottime"},
      {1, 29, "kern.maxfilesperproc"}, {6, 2, "hw.model"},       {6, 3, "hw.ncpu"},      {6, 7, "hw.pagesize"},
      {6, 24, "hw.memsize"},           {6, 25, "hw.ncpu"},       {2, 2, "vm.loadavg"}};
  if (length < 2) return fail(D_EINVAL);
  for (size_t i = 0; i < LENGTH(names); i++)
    if (name[0] == names[i].top && name[1] == names[i].second)
      return mac_sysctlbyname(names[i].name, to, size, set, set_size);
  fprintf(stderr, "macrun: sysctl %d.%d is not implemented\n", name[0], name[1]);
  return fail(D_ENOENT);
}

/* libproc: no process is told of. */
int mac_proc_listallpids(void *, int) { return 0; }
int mac_proc_listchildpids(int, void *, int) { return 0; }
int mac_proc_pidinfo(int, int, u64, void *, int) { return 0; }

/*
 * But for the path of a descriptor of this process: PROC_PIDFDVNODEPATHINFO of bsd/kern/proc_info.c, struct vnode_fdinfowithpath
 * of bsd/sys/proc_info.h, whose other fields are left empty. A failure is 0 (proc_pidfdinfo in libsyscall/wrappers/libproc/libproc.c).
 */
int mac_proc_pidfdinfo(int pid, int fd, int flavor, void *to, int size) {
  enum { D_PROC_PIDFDVNODEPATHINFO = 2, LENGTH_WITH_PATH = 1200, PATH_AT = 176 };
  struct stat s;
  int error = 0;
  if (pid != getpid() || flavor != D_PROC_PIDFDVNODEPATHINFO) error = D_EINVAL;
  else if (size < LENGTH_WITH_PATH) error = D_ENOMEM;
  else if (fstat(fd, &s) != 0 || S_ISSOCK(s.st_mode) || S_ISFIFO(s.st_mode)) error = D_EBADF;
  if (error) return fail(error), 0;
  memset(to, 0, LENGTH_WITH_PATH);
  return path_of(fd, (char *)to + PATH_AT) < 0 ? 0 : LENGTH_WITH_PATH;
}

/* Time. Mach's unit is a nanosecond, as on every Mac with an Intel processor. */

int mac_clock_gettime(int clock, struct timespec *t) {
  enum { D_CLOCK_REALTIME = 0, D_CLOCK_PROCESS_CPUTIME_ID = 12, D_CLOCK_THREAD_CPUTIME_ID = 16 };
  switch (clock) {
  case D_CLOCK_REALTIME: return clock_gettime(CLOCK_REALTIME, t);
  case D_CLOCK_PROCESS_CPUTIME_ID: return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, t);
  case D_CLOCK_THREAD_CPUTIME_ID: return clock_gettime(CLOCK_THREAD_CPUTIME_ID, t);
  default: return clock_gettime(CLOCK_MONOTONIC, t);
  }
}
u64 mac_mach_absolute_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
u64 mac_mach_approximate_time(void) { return mac_mach_absolute_time(); }
u64 mac_mach_continuous_time(void) { return mac_mach_absolute_time(); }
u64 mac_mach_continuous_approximate_time(void) { return mac_mach_absolute_time(); }
int mac_mach_timebase_info(u32 fraction[2]) {
  fraction[0] = fraction[1] = 1;
  return KERN_SUCCESS;
}
int mac_nanosleep(const struct timespec *time, struct timespec *rest) {
  struct timespec left = *time;
  for (;;) {
    unsigned before = parked;
    int result = nanosleep(&left, &left);
    if (result != 0 && errno == EINTR && before != parked) continue;
    if (result != 0 && rest) *rest = left;
    return result;
  }
}
