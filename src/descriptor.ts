import { dlopen, type Pointer, read } from "bun:ffi";
import { readdirSync } from "node:fs";
import { type Address, formatAddress } from "./address.ts";
import { decodeAddress, encodeAddress, type SocketPlatform } from "./sockaddr.ts";

/**
 * Everything that is asked of the C library, for both systems. No variadic function (fcntl, ioctl) is called with a
 * third argument on macOS: on Apple silicon such arguments travel on the stack, where an ordinary call does not put them.
 */
const darwin = process.platform === "darwin";
const platform: SocketPlatform = darwin ? "macos" : "linux";

/** Linux's value and macOS's, side by side, with the headers that they come from. */
const pick = (linux: number, macos: number) => (darwin ? macos : linux);

/** Linux: asm-generic/socket.h, bits/socket.h, netinet/tcp.h, linux/sockios.h, asm-generic/resource.h. macOS: xnu's bsd/sys/socket.h, bsd/sys/resource.h. */
export const constants = {
  SOCK_STREAM: pick(1, 1),
  SOL_SOCKET: pick(1, 0xffff),
  SO_REUSEADDR: pick(2, 0x0004),
  SO_TYPE: pick(3, 0x1008),
  SO_ACCEPTCONN: pick(30, 0x0002),
  /** macOS only: bytes in the send buffer that the peer has not acknowledged. */
  SO_NWRITE: pick(0, 0x1024),
  /** Linux only: the same by ioctl. */
  SIOCOUTQ: pick(0x5411, 0),
  RLIMIT_NOFILE: pick(7, 8),
} as const;

const symbols = {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  listen: { args: ["i32", "i32"], returns: "i32" },
  dup: { args: ["i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
  sigaction: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  tcgetpgrp: { args: ["i32"], returns: "i32" },
  getpgrp: { args: [], returns: "i32" },
} as const;

const { symbols: libc } = dlopen(darwin ? "/usr/lib/libSystem.B.dylib" : "libc.so.6", symbols);

const linux = darwin
  ? null
  : dlopen("libc.so.6", {
      ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
      __errno_location: { args: [], returns: "ptr" },
    }).symbols;

const macos = darwin
  ? dlopen("/usr/lib/libSystem.B.dylib", {
      __error: { args: [], returns: "ptr" },
      sysctlbyname: { args: ["cstring", "ptr", "ptr", "ptr", "u64"], returns: "i32" },
    }).symbols
  : null;

/** What a descriptor is, so far as the relay cares. */
export type Descriptor =
  | { kind: "listener"; address: Address }
  /** `what` completes "it is …". */
  | { kind: "unusable"; what: string };

/** Finds out what `fd` is. Only a listening stream socket of TCP or Unix can be served. */
export function describe(fd: number): Descriptor {
  const type = getOption(fd, constants.SO_TYPE);
  if (type === undefined) return { kind: "unusable", what: "no socket" };
  const address = localAddress(fd);
  if (address === undefined) return { kind: "unusable", what: "neither a TCP nor a Unix socket" };
  if (type !== constants.SOCK_STREAM) {
    return {
      kind: "unusable",
      what: `a datagram socket (${formatAddress(address)}); only stream sockets can be relayed`,
    };
  }
  if (getOption(fd, constants.SO_ACCEPTCONN) === 0) {
    return { kind: "unusable", what: `a socket that does not listen (${formatAddress(address)})` };
  }
  return { kind: "listener", address };
}

/** The caller owns the new descriptor; throws when there is none left. */
export function duplicate(fd: number): number {
  const copy = libc.dup(fd);
  if (copy < 0) throw new Error(`dup: errno ${errno()}`);
  return copy;
}

/** Closes a descriptor that no Bun object owns. */
export function closeDescriptor(fd: number): void {
  libc.close(fd);
}

/** Sets the queue of a listening socket; the kernel caps it (net.core.somaxconn, kern.ipc.somaxconn). */
export function setBacklog(fd: number, backlog: number): void {
  libc.listen(fd, backlog);
}

/** Bytes that the peer has not taken yet (SIOCOUTQ in tcp(7) and unix(7); SO_NWRITE on macOS); 0 when it cannot be told. */
export function unsentBytes(fd: number): number {
  if (linux === null) return getOption(fd, constants.SO_NWRITE) ?? 0;
  const bytes = new Int32Array(1);
  return linux.ioctl(fd, constants.SIOCOUTQ, bytes) === 0 ? (bytes[0] ?? 0) : 0;
}

/**
 * Binds and listens by itself. The caller owns the descriptor. Throws an Error whose `errno` is the system's.
 */
export function bindListener(address: Address, backlog: number): number {
  const { family, name } = encodeAddress(address, platform);
  const fd = libc.socket(family, constants.SOCK_STREAM, 0);
  if (fd < 0) throw systemError("socket");
  libc.setsockopt(fd, constants.SOL_SOCKET, constants.SO_REUSEADDR, new Int32Array([1]), 4);
  if (libc.bind(fd, name, name.length) < 0 || libc.listen(fd, backlog) < 0) {
    const error = systemError("bind");
    libc.close(fd);
    throw error;
  }
  return fd;
}

/** The limits on open files, soft and hard (getrlimit(2)). */
export function openFilesLimit(): { soft: number; hard: number } {
  const limit = new BigUint64Array(2);
  libc.getrlimit(constants.RLIMIT_NOFILE, limit);
  return { soft: Number(limit[0]), hard: Number(limit[1]) };
}

/**
 * How many descriptors this process may still open: what the soft limit allows and, on macOS, kern.maxfilesperproc, which
 * limits more strictly than getrlimit tells (sysctl(3)).
 */
export function freeDescriptors(): number {
  const limit = Math.min(openFilesLimit().soft, macos === null ? Number.POSITIVE_INFINITY : maxFilesPerProcess(macos));
  return limit - readdirSync("/dev/fd").length;
}

/** Sets the soft limit on open files, for this process and those it starts from now on. */
export function setOpenFilesLimit(soft: number): void {
  const limit = new BigUint64Array(2);
  libc.getrlimit(constants.RLIMIT_NOFILE, limit);
  limit[0] = BigInt(soft);
  libc.setrlimit(constants.RLIMIT_NOFILE, limit);
}

/** Is this signal ignored (nohup, a shell's background job)? The handler is the first word of `struct sigaction` on both systems. */
export function isIgnored(signal: number): boolean {
  const SIG_IGN = 1n;
  const action = new BigUint64Array(32);
  return libc.sigaction(signal, null, action) === 0 && action[0] === SIG_IGN;
}

/** Does a Ctrl-C on our terminal reach this process group, and so the program too? (tcgetpgrp(3)) */
export function inTerminalForeground(): boolean {
  const group = libc.getpgrp();
  return [0, 1, 2].some((fd) => libc.tcgetpgrp(fd) === group);
}

function maxFilesPerProcess({ sysctlbyname }: NonNullable<typeof macos>): number {
  const value = new Int32Array(1);
  const length = new BigUint64Array([4n]);
  const found = sysctlbyname(Buffer.from("kern.maxfilesperproc\0"), value, length, null, 0n) === 0;
  return found ? (value[0] ?? 0) : Number.POSITIVE_INFINITY;
}

function getOption(fd: number, option: number): number | undefined {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  return libc.getsockopt(fd, constants.SOL_SOCKET, option, value, length) === 0 ? value[0] : undefined;
}

/** The last error number; to be read right behind the call that failed. */
function errno(): number {
  const address = (linux?.__errno_location() ?? macos?.__error()) as Pointer;
  return read.i32(address, 0);
}

function systemError(call: string): Error {
  return Object.assign(new Error(`${call} failed`), { errno: errno() });
}

function localAddress(fd: number): Address | undefined {
  const name = new Uint8Array(128);
  const length = new Uint32Array([name.length]);
  if (libc.getsockname(fd, name, length) !== 0) return undefined;
  return decodeAddress(name.subarray(0, length[0]), platform);
}
