/*
 * Mach: ports, which are counters of messages here, since what Bun sends to wake a thread has no contents; facts about
 * the task and the machine; and libdispatch's sources, which never fire.
 */
#include "macrun.h"
#include <sys/eventfd.h>
#include <sys/mman.h>

enum { FIRST_PORT = 0x10000, MAX_PORTS = 4096, TASK_PORT = 0x103, HOST_PORT = 0x203 };

/* An eventfd stands for a port in a kqueue; its count is that of the messages. */
static struct port {
  int fd;
  u32 limit, count;
} ports[MAX_PORTS];
static u32 port_count;
static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;

u32 mac_mach_task_self_ = TASK_PORT;
u32 mac_mach_host_self(void) { return HOST_PORT; }

static struct port *find(u32 name) {
  return name >= FIRST_PORT && name < FIRST_PORT + port_count ? &ports[name - FIRST_PORT] : NULL;
}

/* MACH_PORT_QLIMIT_DEFAULT (osfmk/mach/port.h) */
enum { DEFAULT_LIMIT = 5, MACH_PORT_LIMITS_INFO = 1 };

int mac_mach_port_allocate(u32, int, u32 *name) {
  pthread_mutex_lock(&ports_lock);
  u32 i = port_count;
  if (i < MAX_PORTS) {
    ports[i] = (struct port){.fd = -1, .limit = DEFAULT_LIMIT};
    *name = FIRST_PORT + i;
    port_count++;
  }
  pthread_mutex_unlock(&ports_lock);
  return i < MAX_PORTS ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}
int mac_mach_port_construct(u32 task, void *, u64, u32 *name) { return mac_mach_port_allocate(task, 0, name); }
int mac_mach_port_deallocate(u32, u32) { return KERN_SUCCESS; }
int mac_mach_port_insert_right(u32, u32, u32, int) { return KERN_SUCCESS; }
int mac_mach_port_mod_refs(u32, u32, int, int) { return KERN_SUCCESS; }
int mac_mach_port_set_attributes(u32, u32 name, int flavor, const u32 *info, u32) {
  struct port *p = find(name);
  if (p && flavor == MACH_PORT_LIMITS_INFO) p->limit = info[0];
  return KERN_SUCCESS;
}

int port_descriptor(u32 name) {
  struct port *p = find(name);
  if (!p) return -1;
  pthread_mutex_lock(&ports_lock);
  if (p->fd < 0) p->fd = out_of_the_way(eventfd(p->count, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE));
  pthread_mutex_unlock(&ports_lock);
  return p->fd;
}

bool port_receive(u32 name) {
  struct port *p = find(name);
  if (!p) return false;
  pthread_mutex_lock(&ports_lock);
  bool received = p->count > 0;
  if (received) {
    u64 one;
    p->count--;
    if (p->fd >= 0 && read(p->fd, &one, sizeof one) < 0) errno = 0;
  }
  pthread_mutex_unlock(&ports_lock);
  return received;
}

static int port_send(u32 name) {
  struct port *p = find(name);
  if (!p) return MACH_SEND_INVALID_DEST;
  pthread_mutex_lock(&ports_lock);
  bool full = p->count >= p->limit;
  if (!full) {
    u64 one = 1;
    p->count++;
    if (p->fd >= 0 && write(p->fd, &one, sizeof one) < 0) errno = 0;
  }
  pthread_mutex_unlock(&ports_lock);
  return full ? MACH_SEND_TIMED_OUT : KERN_SUCCESS;
}

/* mach_msg_header_t */
struct message {
  u32 bits, size, remote, local, voucher;
  int id;
};
int mac_mach_msg(struct message *message, int options, u32, u32, u32 receive_name, u32 timeout, u32) {
  if (options & MACH_SEND_MSG) {
    int error = port_send(message->remote);
    if (error) return error;
  }
  if (!(options & MACH_RCV_MSG) || port_receive(receive_name)) return KERN_SUCCESS;
  if (options & MACH_RCV_TIMEOUT && timeout == 0) return MACH_RCV_TIMED_OUT;
  fprintf(stderr, "macrun: waiting for a message of Mach is not implemented\n");
  abort();
}

/* Facts */

static void read_memory(u64 *size, u64 *resident) {
  long pages = 0, resident_pages = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file && fscanf(file, "%ld %ld", &pages, &resident_pages) != 2) pages = 0;
  if (file) fclose(file);
  *size = pages * 4096;
  *resident = resident_pages * 4096;
  errno = 0;
}

/* mach_task_basic_info and task_vm_info of <mach/task_info.h> */
int mac_task_info(u32, int flavor, u32 *to, u32 *words) {
  enum { MACH_TASK_BASIC_INFO = 20, TASK_VM_INFO = 22, PHYS_FOOTPRINT = 144 };
  u64 size, resident;
  read_memory(&size, &resident);
  memset(to, 0, *words * sizeof *to);
  u64 *longs = (u64 *)to;
  if (flavor == MACH_TASK_BASIC_INFO) {
    memcpy(longs, (u64[]){size, resident, resident}, 24);
    return KERN_SUCCESS;
  }
  if (flavor != TASK_VM_INFO) return KERN_INVALID_ARGUMENT;
  longs[0] = size;
  to[3] = 4096; /* page_size */
  longs[2] = longs[3] = resident;
  if (*words * sizeof *to >= PHYS_FOOTPRINT + 8) memcpy((u8 *)to + PHYS_FOOTPRINT, &resident, 8);
  return KERN_SUCCESS;
}

/* host_basic_info of <mach/host_info.h> */
int mac_host_info(u32, int flavor, u32 *to, u32 *words) {
  enum { HOST_BASIC_INFO = 1, CPU_TYPE_X86 = 7, CPU_SUBTYPE_X86_64_ALL = 3 };
  if (flavor != HOST_BASIC_INFO) return KERN_INVALID_ARGUMENT;
  memset(to, 0, *words * sizeof *to);
  u32 processors = sysconf(_SC_NPROCESSORS_ONLN);
  u64 memory = sysconf(_SC_PHYS_PAGES) * 4096ull;
  to[0] = to[1] = to[6] = to[7] = to[8] = to[9] = processors;
  to[3] = CPU_TYPE_X86;
  to[4] = CPU_SUBTYPE_X86_64_ALL;
  if (*words >= 12) memcpy(to + 10, &memory, sizeof memory);
  return KERN_SUCCESS;
}
int mac_host_statistics(u32, int, u32 *to, u32 *words) {
  memset(to, 0, *words * sizeof *to);
  to[0] = sysconf(_SC_AVPHYS_PAGES); /* free_count */
  return KERN_SUCCESS;
}
int mac_host_processor_info(u32, int, u32 *processors, u32 **to, u32 *words) {
  enum { STATES = 4 };
  *processors = sysconf(_SC_NPROCESSORS_ONLN);
  *words = *processors * STATES;
  *to = mmap(NULL, *words * sizeof **to, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return *to == MAP_FAILED ? KERN_RESOURCE_SHORTAGE : KERN_SUCCESS;
}

/* Bun asks for memory warnings by such a source, which come from the system alone. */
char mac__dispatch_source_type_mach_recv[64];
void *mac_dispatch_source_create(void *, u64, u64, void *) { return calloc(1, 64); }
void mac_dispatch_source_set_event_handler(void *, void *) {}
void mac_dispatch_resume(void *) {}
void mac_dispatch_release(void *) {}
