/** Darwin's system calls by bun:ffi, for the tests of what XNU does: inside Bun for macOS only. */
import { dlopen, FFIType, type Pointer, ptr, read } from "bun:ffi";

const { symbols: c } = dlopen("/usr/lib/libSystem.B.dylib", {
  __error: { args: [], returns: FFIType.ptr },
  accept: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  getpeername: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  kevent: { args: ["i32", "ptr", "i32", "ptr", "i32", "ptr"], returns: "i32" },
  kqueue: { args: [], returns: "i32" },
  listen: { args: ["i32", "i32"], returns: "i32" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  send: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  shutdown: { args: ["i32", "i32"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
});

/** xnu's bsd/sys/errno.h, socket.h, event.h. */
export const ENOENT = 2;
export const ESRCH = 3;
export const EBADF = 9;
export const EINVAL = 22;
export const EPIPE = 32;
export const ENOPROTOOPT = 42;
export const ECONNRESET = 54;
export const ENOTCONN = 57;
export const ECONNREFUSED = 61;
export const SOL_SOCKET = 0xffff;
export const SO_ACCEPTCONN = 0x2;
export const SO_LINGER_SEC = 0x1080;
export const SO_SNDBUF = 0x1001;
export const SO_RCVBUF = 0x1002;
export const SO_ERROR = 0x1007;
export const SO_NREAD = 0x1020;
export const SO_NOSIGPIPE = 0x1022;
export const SO_NWRITE = 0x1024;
export const READ = -1;
export const WRITE = -2;
export const PROC = -5;
export const EV_ADD = 0x1;
export const EV_DELETE = 0x2;
export const EV_ENABLE = 0x4;
export const EV_ONESHOT = 0x10;
export const EV_CLEAR = 0x20;
export const EV_RECEIPT = 0x40;
export const EV_DISPATCH = 0x80;
export const EV_ERROR = 0x4000;
export const EV_EOF = 0x8000;
export const NOTE_LOWAT = 1;
export const NOTE_EXIT = 0x80000000;

/** What a call returned, or minus the error number. */
function result(value: number | bigint): number {
  return value < 0 ? -read.i32(c.__error() as Pointer) : Number(value);
}

const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const int = (value = 0) => new Int32Array([value]);
const quiet = (fd: number) => setOption(fd, SO_NOSIGPIPE, 1);

/** Two Unix sockets that are connected with each other. */
export function pair(): [number, number] {
  const fds = new Int32Array(2);
  if (c.socketpair(AF_UNIX, SOCK_STREAM, 0, ptr(fds)) !== 0) throw new Error("socketpair failed");
  const [a = -1, b = -1] = fds;
  quiet(a);
  quiet(b);
  return [a, b];
}

/** Two TCP sockets of this machine that are connected with each other. */
export function tcpPair(): [number, number] {
  const listener = c.socket(AF_INET, SOCK_STREAM, 0);
  const address = new Uint8Array([16, AF_INET, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  const size = int(address.length);
  c.bind(listener, ptr(address), address.length);
  c.listen(listener, 1);
  c.getsockname(listener, ptr(address), ptr(size));
  const client = c.socket(AF_INET, SOCK_STREAM, 0);
  if (c.connect(client, ptr(address), address.length) !== 0) throw new Error("connect failed");
  const server = c.accept(listener, null, null);
  c.close(listener);
  quiet(client);
  quiet(server);
  return [client, server];
}

/** A Unix socket at a path, and sockaddr_un for it. */
export function unixListener(path: string, backlog: number): { fd: number; address: Uint8Array } {
  const name = new TextEncoder().encode(path);
  const address = new Uint8Array(106);
  address.set([address.length, AF_UNIX]);
  address.set(name, 2);
  const fd = c.socket(AF_UNIX, SOCK_STREAM, 0);
  if (c.bind(fd, ptr(address), address.length) !== 0) throw new Error(`cannot bind ${path}`);
  c.listen(fd, backlog);
  return { fd, address };
}

/** A new Unix socket, and how its connect ended. */
export function connectUnix(address: Uint8Array): { fd: number; connected: number } {
  const fd = c.socket(AF_UNIX, SOCK_STREAM, 0);
  return { fd, connected: result(c.connect(fd, ptr(address), address.length)) };
}

export const close = (fd: number) => result(c.close(fd));
export const shutdown = (fd: number, how: "read" | "write") => result(c.shutdown(fd, how === "read" ? 0 : 1));
export const peerName = (fd: number) => result(c.getpeername(fd, ptr(new Uint8Array(128)), ptr(int(128))));
const MSG_DONTWAIT = 0x80;
export const send = (fd: number, length: number) =>
  result(c.send(fd, ptr(new Uint8Array(length)), length, MSG_DONTWAIT));
export const receive = (fd: number, length = 65_536) =>
  result(c.recv(fd, ptr(new Uint8Array(length)), length, MSG_DONTWAIT));

export function option(fd: number, name: number, level = SOL_SOCKET): number {
  const value = int();
  const status = result(c.getsockopt(fd, level, name, ptr(value), ptr(int(4))));
  return status < 0 ? status : (value[0] ?? 0);
}

export function setOption(fd: number, name: number, ...values: number[]): number {
  const value = new Int32Array(values);
  return result(c.setsockopt(fd, SOL_SOCKET, name, ptr(value), value.byteLength));
}

/** Closes a TCP socket so that its peer gets a reset. */
export function reset(fd: number): void {
  setOption(fd, SO_LINGER_SEC, 1, 0);
  close(fd);
}

export interface Event {
  ident: number;
  filter: number;
  flags: number;
  fflags?: number;
  data?: number;
}

/** A kqueue of its own. */
export class Queue implements Disposable {
  readonly fd = c.kqueue();

  /** Makes one change; minus the error number where it fails. */
  change({ ident, filter, flags, fflags = 0, data = 0 }: Event): number {
    return result(c.kevent(this.fd, ptr(encode({ ident, filter, flags, fflags, data })), 1, null, 0, null));
  }

  /** The events that there are within `milliseconds`, without a change or with one. */
  events(milliseconds = 0, change?: Event): Event[] {
    const room = new Uint8Array(16 * 32);
    const timeout = new BigInt64Array([0n, BigInt(milliseconds * 1e6)]);
    const changes = change === undefined ? null : ptr(encode(change));
    const count = result(c.kevent(this.fd, changes, change === undefined ? 0 : 1, ptr(room), 16, ptr(timeout)));
    return Array.from({ length: Math.max(count, 0) }, (_, index) => decode(room, index * 32));
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}

/** struct kevent: ident, filter, flags, fflags, data, udata. */
function encode({ ident, filter, flags, fflags = 0, data = 0 }: Event): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  view.setBigUint64(0, BigInt(ident), true);
  view.setInt16(8, filter, true);
  view.setUint16(10, flags, true);
  view.setUint32(12, fflags, true);
  view.setBigInt64(16, BigInt(data), true);
  return new Uint8Array(view.buffer);
}

function decode(bytes: Uint8Array, at: number): Event {
  const view = new DataView(bytes.buffer, at);
  return {
    ident: Number(view.getBigUint64(0, true)),
    filter: view.getInt16(8, true),
    flags: view.getUint16(10, true),
    fflags: view.getUint32(12, true),
    data: Number(view.getBigInt64(16, true)),
  };
}
