/**
 * Stream sockets straight from the C library, blocking, without an event loop. The checks use them at both ends, since
 * what they look for is how Bun's own event loop behaves on a Mac.
 */
import { dlopen } from "bun:ffi";
import { constants as os } from "node:os";
import type { Address } from "../../src/address.ts";
import { errno, library } from "../../src/system/libc.ts";
import { platform } from "../../src/system/platform.ts";
import { encodeAddress } from "../../src/system/sockaddr.ts";
import { bindListener, closeDescriptor } from "../../src/system/sockets.ts";

/** Linux's value and macOS's: asm-generic/socket.h, and xnu's bsd/sys/socket.h. */
const pick = (linux: number, macos: number) => (platform === "macos" ? macos : linux);
const SOCK_STREAM = 1;
const SOL_SOCKET = pick(1, 0xffff);
const SO_LINGER = pick(13, 0x80);
const SO_RCVTIMEO = pick(20, 0x1006);
const SO_SNDTIMEO = pick(21, 0x1005);
const SHUT_WR = 1;

const { symbols: libc } = dlopen(library, {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  accept: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  send: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  shutdown: { args: ["i32", "i32"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
});
/** How a connection ended, other than in order. */
export type Failure = "reset" | "timeout" | "refused";

export class SocketError extends Error {
  constructor(
    readonly failure: Failure,
    message: string,
  ) {
    super(message);
  }
}

/** What arrived until the end, and how it ended. */
export interface Received {
  readonly bytes: Uint8Array;
  readonly ending: "end" | Failure;
}

/** A connected socket. Whoever holds it owns it and calls `close` or `reset` once. */
export class BlockingSocket {
  constructor(readonly fd: number) {
    this.setTimeout(30_000);
  }

  /** @throws SocketError when nobody accepts. */
  static connect(address: Address): BlockingSocket {
    const { family, name } = encodeAddress(address, platform);
    const fd = libc.socket(family, SOCK_STREAM, 0);
    if (libc.connect(fd, name, name.length) !== 0) {
      const error = failure("connect");
      closeDescriptor(fd);
      throw error;
    }
    return new BlockingSocket(fd);
  }

  /** How long `send` and `receive` wait, in milliseconds. */
  setTimeout(milliseconds: number): void {
    // struct timeval: on macOS the microseconds are 32 bits and padding, which little-endian makes the same.
    const time = new BigInt64Array([
      BigInt(Math.floor(milliseconds / 1000)),
      BigInt(Math.round((milliseconds % 1000) * 1000)),
    ]);
    for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) libc.setsockopt(this.fd, SOL_SOCKET, option, time, 16);
  }

  /** Sends everything. @throws SocketError when the peer has gone or takes nothing within the timeout. */
  send(data: Uint8Array | string): void {
    let rest = typeof data === "string" ? new TextEncoder().encode(data) : data;
    while (rest.length > 0) rest = rest.subarray(this.sendSome(rest));
  }

  /** Sends what the kernel takes, at least one byte, and returns how much that was. @throws SocketError */
  sendSome(data: Uint8Array): number {
    const count = Number(libc.send(this.fd, data, data.length, 0));
    if (count < 0) throw failure("send");
    return count;
  }

  /** Returns at most `limit` bytes; none means the end. @throws SocketError */
  receive(limit = 65_536): Uint8Array {
    const buffer = new Uint8Array(limit);
    const count = Number(libc.recv(this.fd, buffer, limit, 0));
    if (count < 0) throw failure("recv");
    return buffer.subarray(0, count);
  }

  /** Returns a line without its end, taking nothing that comes after it. @throws SocketError */
  receiveLine(): string {
    const bytes: number[] = [];
    for (let byte = this.receive(1)[0]; byte !== undefined && byte !== 10; byte = this.receive(1)[0]) bytes.push(byte);
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }

  receiveAll(): Received {
    const chunks: Uint8Array[] = [];
    try {
      for (let chunk = this.receive(); chunk.length > 0; chunk = this.receive()) chunks.push(chunk);
      return { bytes: Buffer.concat(chunks), ending: "end" };
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      return { bytes: Buffer.concat(chunks), ending: error.failure };
    }
  }

  /** Ends our data; theirs goes on. */
  endSending(): void {
    libc.shutdown(this.fd, SHUT_WR);
  }

  /** Breaks the connection off: TCP sends a reset. */
  reset(): void {
    libc.setsockopt(this.fd, SOL_SOCKET, SO_LINGER, new Int32Array([1, 0]), 8);
    this.close();
  }

  close(): void {
    closeDescriptor(this.fd);
  }
}

/** Calls `serve` for one connection after the other, for ever; it owns the connection. */
export function serveForever(address: Address, serve: (client: BlockingSocket) => void): never {
  const listener = bindListener(address, 128);
  for (;;) {
    const fd = libc.accept(listener, null, null);
    if (fd >= 0) serve(new BlockingSocket(fd));
  }
}

/** To be called right after the call that failed. */
function failure(call: string): SocketError {
  const number = errno();
  if (number === os.errno.EAGAIN) return new SocketError("timeout", `${call} took too long`);
  if (number === os.errno.ECONNREFUSED || number === os.errno.ENOENT)
    return new SocketError("refused", `${call} found nobody who accepts`);
  return new SocketError("reset", `${call} found the connection broken (errno ${number})`);
}
