import { getSystemErrorName } from "node:util";
import { type Address, formatAddress } from "../address.ts";
import { constants, errno, libc, linux } from "./libc.ts";
import { platform } from "./platform.ts";
import { decodeAddress, encodeAddress, type SocketName } from "./sockaddr.ts";

/** What a descriptor is, so far as the relay cares. */
export type Descriptor =
  | { kind: "listener"; address: Address }
  | { kind: "datagram"; address: Address }
  /** `what` completes "it is …". */
  | { kind: "unusable"; what: string };

/** A listening socket, taken over or bound; who holds it owns the descriptor. */
export interface ListeningSocket {
  fd: number;
  /** The name under which it was asked for. */
  name: string;
  address: Address;
  /** For a Unix path that we bound. */
  claim?: PathClaim;
}

/** What makes the path of a Unix socket this process's. */
export interface PathClaim {
  /** The descriptor of the lock that is held as long as the socket listens. */
  lock: number;
  /** Removes the path, if the socket is there still, and gives the lock up; may be called twice. */
  release(): void;
}

/** Finds out what `fd` is. */
export function describe(fd: number): Descriptor {
  const type = getOption(fd, constants.SO_TYPE);
  if (type === undefined) return { kind: "unusable", what: "not a socket" };
  const address = localAddress(fd);
  if (address === undefined) return { kind: "unusable", what: "neither a TCP nor a Unix socket" };
  if (type === constants.SOCK_DGRAM) return { kind: "datagram", address };
  if (type !== constants.SOCK_STREAM) return { kind: "unusable", what: "neither a stream nor a datagram socket" };
  // macOS has the constant but answers ENOPROTOOPT (sogetoptlock in xnu's bsd/kern/uipc_socket.c): there it cannot be told.
  if (getOption(fd, constants.SO_ACCEPTCONN) === 0) {
    return { kind: "unusable", what: `a socket that does not listen (${formatAddress(address)})` };
  }
  return { kind: "listener", address };
}

/** The address that a socket is bound to, or undefined where that is not a Unix, IPv4 or IPv6 address. */
export function localAddress(fd: number): Address | undefined {
  const name = new Uint8Array(128);
  const length = new Uint32Array([name.length]);
  if (libc.getsockname(fd, name, length) !== 0) return undefined;
  return decodeAddress(name.subarray(0, length[0]), platform);
}

/** The caller owns the new descriptor; throws an Error with a `code` when there is none left. */
export function duplicate(fd: number): number {
  const copy = libc.dup(fd);
  if (copy < 0) throw systemError("dup");
  return copy;
}

/** Closes a descriptor that no Bun object owns. */
export function closeDescriptor(fd: number): void {
  libc.close(fd);
}

/**
 * Accepts one client from a listening socket that does not block, on Linux only. Returns its descriptor, which does not block
 * either and belongs to the caller, or the name of the error: EAGAIN where nobody waits, and always elsewhere.
 */
export function acceptClient(fd: number): number | string {
  if (linux === null) return "EAGAIN";
  const client = linux.accept4(fd, null, null, constants.SOCK_NONBLOCK | constants.SOCK_CLOEXEC);
  return client < 0 ? getSystemErrorName(-errno()) : client;
}

/** Sets the queue of a listening socket; the kernel caps it (net.core.somaxconn, kern.ipc.somaxconn). */
export function setBacklog(fd: number, backlog: number): void {
  libc.listen(fd, backlog);
}

/** The longest that Linux takes, in seconds (MAX_TCP_KEEPIDLE in linux/tcp.h). */
const longestIdle = 32_767;

/**
 * Has a TCP peer that is silent for `idle` milliseconds probed each second, ten times, before it counts as gone (tcp(7)).
 * Bun's own way does nothing for a socket whose data we have ended (1.4.5).
 */
export function setKeepAlive(fd: number, idle: number): void {
  const { SOL_SOCKET, SO_KEEPALIVE, IPPROTO_TCP, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT } = constants;
  const seconds = Math.min(Math.max(1, Math.round(idle / 1_000)), longestIdle);
  setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, 10);
}

/** Lets the kernel keep up to `bytes` that are sent and not taken yet; it caps this (net.core.wmem_max, kern.ipc.maxsockbuf). */
export function setSendBuffer(fd: number, bytes: number): void {
  setOption(fd, constants.SOL_SOCKET, constants.SO_SNDBUF, bytes);
}

/**
 * Whether a Unix socket's peer has gone after it had ended its data, on macOS, where Bun is not told: getpeername(2) fails there
 * once both directions are down (getpeername in xnu's bsd/kern/uipc_syscalls.c). False on Linux, where Bun is.
 */
export function isDisconnected(fd: number): boolean {
  const name = new Uint8Array(128);
  return libc.getpeername(fd, name, new Uint32Array([name.length])) !== 0;
}

/**
 * Bytes that the peer has not taken yet: not acknowledged over TCP, and on Linux not read by a Unix socket's peer (SIOCOUTQ in
 * tcp(7) and unix(7); SO_NWRITE on macOS). 0 when it cannot be told, and always for a Unix socket of macOS: SO_NWRITE counts
 * the sender's buffer (uipc_socket.c), and what is sent lies in the peer's at once (uipc_send in xnu's bsd/kern/uipc_usrreq.c).
 * There nothing may be concluded from it but that nothing is left to wait for.
 */
export function unsentBytes(fd: number): number {
  if (linux === null) return getOption(fd, constants.SO_NWRITE) ?? 0;
  const bytes = new Int32Array(1);
  return linux.ioctl(fd, constants.SIOCOUTQ, bytes) === 0 ? (bytes[0] ?? 0) : 0;
}

/** Where what SO_MEMINFO tells has what is read here, in words (enum in linux/sock_diag.h). */
const memoryInfo = { words: 9, unixSent: 2, limit: 3, tcpSent: 5 };

/**
 * About how many bytes a socket takes now: what SO_SNDBUF grants less what a TCP peer has not acknowledged, or a Unix peer not
 * read. On Linux that has its cost in the kernel with it, as the limit is meant (sk_stream_memory_free, sock_alloc_send_pskb).
 */
export function sendRoom(fd: number): number {
  if (linux === null) return Math.max(0, (getOption(fd, constants.SO_SNDBUF) ?? 0) - unsentBytes(fd));
  const { limit, unixSent, tcpSent } = memoryInfo;
  const info = new Uint32Array(memoryInfo.words);
  const length = new Uint32Array([info.byteLength]);
  if (libc.getsockopt(fd, constants.SOL_SOCKET, constants.SO_MEMINFO, info, length) !== 0) return 0;
  return Math.max(0, (info[limit] ?? 0) - Math.max(info[unixSent] ?? 0, info[tcpSent] ?? 0));
}

/**
 * What tells who is at the other end: Linux's struct ucred of pid, uid and gid (unix(7)); struct xucred of macOS, a version and
 * the uid before the groups (xnu's bsd/sys/ucred.h, of 76 bytes).
 */
const credentials =
  platform === "macos"
    ? { level: constants.SOL_LOCAL, option: constants.LOCAL_PEERCRED, length: 76, uid: 1 }
    : { level: constants.SOL_SOCKET, option: constants.SO_PEERCRED, length: 12, uid: 1 };

/** `(uid_t)-1`, which no process has (chown(2)). */
const noUser = 0xffff_ffff;

/**
 * The effective user id of the process at the other end of a connected Unix socket, as it was when that listened or connected:
 * the kernel's word. Undefined where it cannot be told.
 */
export function peerUser(fd: number): number | undefined {
  const { level, option, length, uid } = credentials;
  const found = new Uint32Array(length / 4);
  const size = new Uint32Array([length]);
  if (libc.getsockopt(fd, level, option, found, size) !== 0) return undefined;
  // XUCRED_VERSION is 0; another version may lie otherwise.
  if (platform === "macos" && found[0] !== 0) return undefined;
  // What Linux says of a socket that has no such peer.
  return found[uid] === noUser ? undefined : found[uid];
}

/** Where linux/tcp.h's struct tcp_info has what is read here, in bytes. */
const tcpInfo = { length: 60, retransmits: 2, probes: 3, lastAckReceived: 56 };

/**
 * Milliseconds since a TCP peer's kernel has acknowledged anything, while at least two retransmits or probes have gone without
 * an answer; else 0. Always 0 on macOS.
 */
export function unansweredFor(fd: number): number {
  if (linux === null) return 0;
  const info = new Uint8Array(tcpInfo.length);
  const length = new Uint32Array([tcpInfo.length]);
  if (libc.getsockopt(fd, constants.IPPROTO_TCP, constants.TCP_INFO, info, length) !== 0) return 0;
  const unanswered = Math.max(info[tcpInfo.retransmits] ?? 0, info[tcpInfo.probes] ?? 0);
  return unanswered < 2 ? 0 : new DataView(info.buffer).getUint32(tcpInfo.lastAckReceived, true);
}

/**
 * Where the window lies that a TCP peer offers: in linux/tcp.h's struct tcp_info since Linux 5.4, and in struct tcp_connection_info
 * (xnu's bsd/netinet/tcp.h). In bytes.
 */
const peerWindow =
  platform === "macos"
    ? { option: constants.TCP_CONNECTION_INFO, length: 112, offset: 28 }
    : { option: constants.TCP_INFO, length: 232, offset: 228 };

/**
 * Bytes that a TCP peer's kernel offers to take after those that it has acknowledged (SND.WND of RFC 9293, 3.3.1). 0 where that
 * cannot be told: of a Unix socket, and on Linux before 5.4.
 */
export function offeredWindow(fd: number): number {
  const info = new Uint8Array(peerWindow.length);
  const length = new Uint32Array([peerWindow.length]);
  if (libc.getsockopt(fd, constants.IPPROTO_TCP, peerWindow.option, info, length) !== 0) return 0;
  return new DataView(info.buffer).getUint32(peerWindow.offset, true);
}

/** Bytes that can be read at once (SIOCINQ in tcp(7) and unix(7); SO_NREAD on macOS); 0 at the end and after an error. */
export function readableBytes(fd: number): number {
  if (linux === null) return getOption(fd, constants.SO_NREAD) ?? 0;
  return linux.ioctl(fd, constants.SIOCINQ, answer) === 0 ? (answer[0] ?? 0) : 0;
}

/**
 * Sends FIN unless something that the peer has sent is unread; returns whether it did (shutdown(2)). Nothing can do both in one: between the
 * look and the FIN lies about a microsecond, and more only where the kernel takes the processor away just then.
 */
export function shutDownIfRead(fd: number): boolean {
  return readableBytes(fd) === 0 && libc.shutdown(fd, constants.SHUT_WR) === 0;
}

/** Reads what waits on a stream socket, at most `length` bytes, into `buffer`; returns how many bytes that were. */
export function receiveInto(fd: number, buffer: Uint8Array, length: number): number {
  return libc.recv(fd, buffer, length, 0);
}

/** Limits what the kernel receives ahead of reads to about `bytes` (SO_RCVBUF in socket(7); Linux doubles it). */
export function setReceiveBuffer(fd: number, bytes: number): void {
  setOption(fd, constants.SOL_SOCKET, constants.SO_RCVBUF, bytes);
}

/** How much of SO_RCVBUF, after it is doubled, Linux offers as a window, for packets of the usual sizes (tcp_win_from_space). */
const windowShare = 0.7;

/**
 * Lets the kernel receive up to `bytes` ahead of reads on a TCP socket, after `setReceiveBuffer`. Linux goes on to offer no larger
 * window than before, once the size of the buffer is not its own affair any more: that has to be told, too (tcp(7)). Who is not root
 * gets there no more than net.core.rmem_max grants, which was 208 KiB for long.
 */
export function growReceiveBuffer(fd: number, bytes: number): void {
  if (linux === null) return setReceiveBuffer(fd, bytes);
  const half = Math.ceil(bytes / windowShare / 2);
  if (!setOption(fd, constants.SOL_SOCKET, constants.SO_RCVBUFFORCE, half)) setReceiveBuffer(fd, half);
  setOption(fd, constants.IPPROTO_TCP, constants.TCP_WINDOW_CLAMP, bytes);
}

/** Binds and listens. The caller owns the descriptor. Throws an Error with the system's `errno` and its name as `code`. */
export function bindListener(address: Address, backlog: number): number {
  const { family, name } = encodeAddress(address, platform);
  const fd = libc.socket(family, constants.SOCK_STREAM, 0);
  if (fd < 0) throw systemError("socket");
  setOption(fd, constants.SOL_SOCKET, constants.SO_REUSEADDR, 1);
  if (libc.bind(fd, name, name.length) < 0 || libc.listen(fd, backlog) < 0) {
    const error = systemError("bind");
    libc.close(fd);
    throw error;
  }
  return fd;
}

/**
 * Connects to a Unix socket, which is done or has failed at once: connect(2) does not wait there (EAGAIN in unix(7) where
 * the server's queue is full, ECONNREFUSED on macOS). The caller owns the descriptor. Throws an Error with a `code`.
 */
export function connectUnix({ family, name }: SocketName): number {
  const fd = libc.socket(family, constants.SOCK_STREAM | constants.SOCK_NONBLOCK, 0);
  if (fd < 0) throw systemError("socket");
  if (libc.connect(fd, name, name.length) < 0) {
    const error = systemError("connect");
    libc.close(fd);
    throw error;
  }
  return fd;
}

const answer = new Int32Array(1);

function setOption(fd: number, level: number, option: number, value: number): boolean {
  return libc.setsockopt(fd, level, option, new Int32Array([value]), 4) === 0;
}

function getOption(fd: number, option: number): number | undefined {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  return libc.getsockopt(fd, constants.SOL_SOCKET, option, value, length) === 0 ? value[0] : undefined;
}

function systemError(call: string): Error {
  const number = errno();
  return Object.assign(new Error(`${call} failed`), { errno: number, code: getSystemErrorName(-number) });
}
