import { dlopen, type Pointer, read } from "bun:ffi";
import { platform } from "./platform.ts";

/**
 * The C library's functions and constants, for both systems. No variadic function (fcntl, ioctl) is called with a
 * third argument on macOS: on Apple silicon such arguments travel on the stack, where an ordinary call does not put them.
 */
const darwin = platform === "macos";
/** Where the C library lies. */
export const library = darwin ? "/usr/lib/libSystem.B.dylib" : "libc.so.6";

/**
 * Linux's value and macOS's, side by side. Linux: asm-generic/socket.h, bits/socket_type.h, linux/sockios.h,
 * netinet/in.h, linux/tcp.h, asm-generic/resource.h, asm-generic/signal.h, asm-generic/poll.h, asm-generic/fcntl.h, linux/time.h. macOS: xnu's bsd/sys/socket.h,
 * bsd/netinet/in.h, bsd/netinet/tcp.h, bsd/sys/resource.h, bsd/sys/signal.h, bsd/sys/poll.h, bsd/sys/fcntl.h, bsd/sys/time.h.
 */
export const systemConstants = {
  SOCK_STREAM: { linux: 1, macos: 1 },
  SOCK_DGRAM: { linux: 2, macos: 2 },
  /** Linux only: a socket type that does not block. */
  SOCK_NONBLOCK: { linux: 0o4000, macos: 0 },
  /** Linux only: the descriptor is closed by exec. */
  SOCK_CLOEXEC: { linux: 0o2000000, macos: 0 },
  SOL_SOCKET: { linux: 1, macos: 0xffff },
  SO_SNDBUF: { linux: 7, macos: 0x1001 },
  SO_REUSEADDR: { linux: 2, macos: 0x0004 },
  SO_TYPE: { linux: 3, macos: 0x1008 },
  SO_RCVBUF: { linux: 8, macos: 0x1002 },
  /** Linux only: the same beyond net.core.rmem_max, for root. */
  SO_RCVBUFFORCE: { linux: 33, macos: 0 },
  SO_ACCEPTCONN: { linux: 30, macos: 0x0002 },
  SO_KEEPALIVE: { linux: 9, macos: 0x0008 },
  /** Who is at the other end of a Unix socket: Linux by SOL_SOCKET, macOS by SOL_LOCAL (bsd/sys/un.h). */
  SO_PEERCRED: { linux: 17, macos: 0 },
  SOL_LOCAL: { linux: 0, macos: 0 },
  LOCAL_PEERCRED: { linux: 0, macos: 1 },
  IPPROTO_TCP: { linux: 6, macos: 6 },
  /** TCP_KEEPIDLE is called TCP_KEEPALIVE on macOS. */
  TCP_KEEPIDLE: { linux: 4, macos: 0x10 },
  TCP_KEEPINTVL: { linux: 5, macos: 0x101 },
  TCP_KEEPCNT: { linux: 6, macos: 0x102 },
  /** Linux only: the largest window that is offered. */
  TCP_WINDOW_CLAMP: { linux: 10, macos: 0 },
  /** Linux only: struct tcp_info. */
  TCP_INFO: { linux: 11, macos: 0 },
  /** macOS only: struct tcp_connection_info. */
  TCP_CONNECTION_INFO: { linux: 0, macos: 0x106 },
  /** Linux only: what a socket's buffers hold and may hold. */
  SO_MEMINFO: { linux: 55, macos: 0 },
  /** macOS only: bytes in the send buffer that the peer has not acknowledged. */
  SO_NWRITE: { linux: 0, macos: 0x1024 },
  /** Linux only: the same by ioctl. */
  SIOCOUTQ: { linux: 0x5411, macos: 0 },
  /** Bytes that can be read: macOS by getsockopt, Linux by ioctl. */
  SO_NREAD: { linux: 0, macos: 0x1020 },
  SIOCINQ: { linux: 0x541b, macos: 0 },
  RLIMIT_NOFILE: { linux: 7, macos: 8 },
  /** waitid(2), asking without waiting and without taking the child from who waits: Linux's linux/wait.h, xnu's bsd/sys/wait.h. */
  LOCK_EX: { linux: 2, macos: 2 },
  LOCK_NB: { linux: 4, macos: 4 },
  P_PID: { linux: 1, macos: 1 },
  WNOHANG: { linux: 1, macos: 1 },
  WEXITED: { linux: 4, macos: 4 },
  WNOWAIT: { linux: 0x01000000, macos: 0x20 },
  SIG_SETMASK: { linux: 2, macos: 3 },
  POLLIN: { linux: 1, macos: 1 },
  POLLOUT: { linux: 4, macos: 4 },
  SHUT_WR: { linux: 1, macos: 1 },
  /** setitimer(2): processor time of the whole process. */
  ITIMER_PROF: { linux: 2, macos: 2 },
} as const;

/** Those of this system. */
export const constants = Object.fromEntries(
  Object.entries(systemConstants).map(([name, value]) => [name, value[platform]]),
) as Record<keyof typeof systemConstants, number>;

export const { symbols: libc } = dlopen(library, {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  listen: { args: ["i32", "i32"], returns: "i32" },
  dup: { args: ["i32"], returns: "i32" },
  dup2: { args: ["i32", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  getpeername: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  shutdown: { args: ["i32", "i32"], returns: "i32" },
  recv: { args: ["i32", "ptr", "usize", "i32"], returns: "i32" },
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
  sigaction: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  sigprocmask: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  tcgetpgrp: { args: ["i32"], returns: "i32" },
  waitid: { args: ["i32", "u32", "ptr", "i32"], returns: "i32" },
  getpgrp: { args: [], returns: "i32" },
  setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" },
  execv: { args: ["ptr", "ptr"], returns: "i32" },
  _exit: { args: ["i32"], returns: "void" },
});

/** What only Linux has. */
export const linux = darwin
  ? null
  : dlopen(library, {
      ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
      accept4: { args: ["i32", "ptr", "ptr", "i32"], returns: "i32" },
      setitimer: { args: ["i32", "ptr", "ptr"], returns: "i32" },
      __errno_location: { args: [], returns: "ptr" },
    }).symbols;

/** What only macOS has. */
export const macos = darwin
  ? dlopen(library, {
      __error: { args: [], returns: "ptr" },
      sysctlbyname: { args: ["ptr", "ptr", "ptr", "ptr", "u64"], returns: "i32" },
      proc_pidfdinfo: { args: ["i32", "i32", "i32", "ptr", "i32"], returns: "i32" },
    }).symbols
  : null;

/** The last error number; to be read right after the call that failed. */
export function errno(): number {
  return read.i32((linux?.__errno_location() ?? macos?.__error()) as Pointer, 0);
}

/** A string as C takes it. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}
