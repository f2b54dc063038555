/*
 * What the files of macrun share. A function that the Mac program imports as NAME is mac_NAME here, with Darwin's ABI;
 * parameters without a name are those that it ignores.
 */
#ifndef MACRUN_H
#define MACRUN_H

#include "darwin.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* main.c */
extern bool tracing;            /* MACRUN_TRACE is set */
extern const char *macrun_path; /* of this executable */
extern char *program_path;      /* what the program is to take for its own path */
extern char **program_argv;     /* the program's arguments, argv[0] first */
extern int program_argc;
extern void *main_stack_top;
extern size_t main_stack_size;
__attribute__((format(printf, 1, 2))) void trace(const char *format, ...);

/* image.c */
struct image {
  u64 entry;      /* offset of main() */
  u64 stack_size; /* that LC_MAIN asks for, or Darwin's 8 MB */
  u64 tlv_start;  /* initial contents of the thread-local variables, */
  u64 tlv_size;   /* their size, */
  u64 tlv_filled; /* and how much of it is not zero */
};
void load_image(const char *path, struct image *image); /* exits with a sentence when it cannot */
void run_initialisers(int argc, char **argv, char **envp, char **apple);
extern void *image_base;

/* symbols.c */
void *find_symbol(const char *name);    /* without Mach-O's leading underscore; NULL when there is none */
void *missing_symbol(const char *name); /* code that aborts with this name, which must stay in memory */

/* thread-locals.c */
enum { TSD_SLOTS = 1024, TLV_SLOT = 700 };
extern __thread void *tsd[TSD_SLOTS]; /* %gs points here */
extern char tlv_thunk[];              /* what each thread-local variable's descriptor calls */
void set_thread_locals(const struct image *image);

/* errno.c: a shim fails either with fail(Darwin's number), or with glibc's errno, which __error() translates. */
extern __thread int darwin_errno;
int darwin_error(int linux_error);
int linux_error(int darwin_error);
static inline int fail(int darwin) {
  darwin_errno = darwin;
  errno = 0;
  return -1;
}

/* descriptors.c: what XNU's socket knows and Linux's does not tell, by descriptor */
enum { MAX_FD = 1048576, SHUT_READ = 1, SHUT_WRITE = 2 };
struct descriptor {
  u8 known;     /* the rest has been found out */
  u8 domain;    /* Linux's */
  u8 type;      /* 0: not a socket */
  u8 nosigpipe; /* SO_NOSIGPIPE */
  u8 shut;      /* SHUT_READ, SHUT_WRITE: by the program itself */
  u8 connected; /* has been, or is being */
  u16 so_error; /* Darwin's number */
};
struct descriptor *descriptor(int fd);                        /* never NULL */
int new_descriptor(int fd);                                   /* forgets what was known; returns fd */
int new_socket(int fd, int domain, int type, bool connected); /* the same, for a socket */
void copy_descriptor(int from, int to);
int out_of_the_way(int fd); /* moves macrun's own above those of the program */

/* paths.c */
const char *host_path(const char *path); /* where a Mac's path lies here; good until the thread's call after next */
void mac_path(char *path);               /* the reverse, in place */
int linux_at(int fd);
int linux_at_flags(int flags);
int linux_open_flags(int flags);
int darwin_open_flags(int flags);

/* socket-state.c */
bool is_tcp(int fd);
bool is_unix_stream(int fd);
int tcp_state(int fd);       /* as in tcp_info, -1 when it cannot be told */
bool cannot_send(int fd);    /* SS_CANTSENDMORE */
bool both_ways_down(int fd); /* SS_CANTSENDMORE and SS_CANTRCVMORE */
int note_error(int fd);      /* takes Linux's SO_ERROR into so_error, and returns so_error */

/* sockets.c */
int linux_family(int family);
int darwin_family(int family);
socklen_t linux_address(const void *from, socklen_t length, struct sockaddr_storage *to);
void darwin_address(const struct sockaddr_storage *from, socklen_t length, void *to, socklen_t *size);

/* signals.c */
int linux_signal(int darwin); /* -1: out of range, 0: Linux has none */
int darwin_signal(int linux_signal);
void linux_sigset(u32 darwin, sigset_t *set);

/* kqueue.c */
void kqueue_shut(int fd);    /* the program has shut a direction of fd */
void kqueue_closing(int fd); /* fd is about to be closed, a kqueue or what one watches */

/* threads.c */
extern __thread unsigned parked; /* how often a signal of macrun's own has interrupted this thread */
void enter_thread(void);         /* prepares the calling thread for the program's code */
void threads_after_fork(void);

/* mach.c */
int port_descriptor(u32 port); /* readable while messages wait; -1: no such port */
bool port_receive(u32 port);   /* whether a message was there */

/* processes.c */
char **command_for(const char *path, char **argv, const char **executable); /* a Mach-O is run by macrun again */

/* system.c */
int somaxconn(void);
int path_of(int fd, char *path);

#endif
