import { canonicalHost, isLoopback } from "../system/ip.ts";
import { platform } from "../system/platform.ts";
import type { Kernel } from "./kernel.ts";
import type { Peer } from "./peer.ts";
import { ReceiveBuffer } from "./receive-buffer.ts";
import type { Stream } from "./stream.ts";

/** To a TCP sink 48 KiB at a time take the least (32: 1.1 to 1.3 times the CPU time, 64: 1.7). */
const tcpLength = 48 * 1024;
/**
 * To a Unix socket 256 KiB (128: a tenth slower). On macOS nothing tells how much of its buffer is in use, and what does not fit has to
 * be kept: half as much there.
 */
const unixLength = (platform === "macos" ? 128 : 256) * 1024;
/** To a socket that is full, the least. */
const leastLength = 8 * 1024;
/**
 * Bun reads up to 512 KB at a time and hands every chunk over in memory of its own, which has to be fetched, filled by
 * one more copy and collected. Where a chunk shows that much data is on its way, what has come meanwhile is read into
 * this one buffer instead and sent on from it: 0.45 to 0.6 of the CPU time for a gigabyte.
 */
const buffer = new Uint8Array(unixLength);
/** A chunk as long as this shows that much is on its way. */
export const largeChunk = 64 * 1024;
/**
 * Bytes until it is the next connection's turn. Beside four transfers the others wait for 1 to 3.5 ms (medians), with half as
 * much again for up to 5; with a quarter less, a gigabyte to a Unix socket takes 1.4 times the CPU time.
 */
const quantum = 1024 * 1024;
/** A TCP sink that has not taken so many bytes is slow: Linux keeps up to 4 MB, and Bun reads up to 512 KB at a time. */
const highWaterMark = 2 ** 21;
/** Milliseconds between the reads for a slow one: they grow from one, in which 2 MB would be 16 Gbit/s, and while nothing comes further. */
const longestBackoff = { coming: 16, silent: 1_000 };

/** A socket that is read, and where its bytes go. */
export interface ReadSocket {
  readonly role: "client" | "backend";
  readonly kind: "tcp" | "unix";
  readonly peer: Peer | null;
  readonly inbound: Stream;
}

/** When a socket is read, and by whom: by Bun as data comes, or by ourselves while much is on its way. */
export class Reader {
  #paused = false;
  #following = false;
  #nextTurn: ReturnType<typeof setImmediate> | undefined;
  #backoffTimer: Timer | undefined;
  /** Of a TCP backend that has sent much, or more than its client takes. */
  #receiveBuffer: ReceiveBuffer | null = null;

  constructor(
    readonly socket: ReadSocket,
    readonly kernel: Kernel,
  ) {}

  /** Takes a chunk that Bun has read, and what else is there where it is a large one. */
  receive(chunk: Uint8Array): void {
    const { inbound } = this.socket;
    if (chunk.length < largeChunk) {
      inbound.write(chunk);
      return this.#taken();
    }
    this.kernel.largeChunkRead(chunk.length);
    this.#limitBuffer();
    inbound.write(chunk);
    this.#readWaiting();
    this.#taken();
    this.#follow();
  }

  pause(): void {
    const { peer } = this.socket;
    if (this.#paused || peer === null) return;
    this.#paused = true;
    peer.pause();
  }

  /** The sink has not taken everything: it is behind. */
  sinkIsBehind(): void {
    this.#limitBuffer();
    this.#receiveBuffer?.clientIsBehind();
    this.pause();
  }

  resume(backoff = 1): void {
    const { socket } = this;
    if (!this.#paused || socket.peer === null || socket.inbound.queued) return;
    this.#paused = false;
    const before = socket.inbound.received;
    this.#readWaiting();
    this.#taken();
    if (this.#paused) return;
    if (this.#following && socket.inbound.received > before) return this.#readNextTurn();
    this.#following = false;
    const longest = socket.inbound.received > before ? longestBackoff.coming : longestBackoff.silent;
    if (!this.#backOff(Math.min(backoff, longest))) socket.peer?.resume();
  }

  /** There is nothing to read any more. */
  stop(): void {
    this.#receiveBuffer?.release();
    clearTimeout(this.#backoffTimer);
    clearImmediate(this.#nextTurn);
  }

  /** The descriptor to read from while what comes goes straight on to the sink; undefined while it does not. */
  get #flowing(): number | undefined {
    const { inbound, peer } = this.socket;
    return inbound.ended || this.#paused || inbound.queued ? undefined : peer?.fd;
  }

  #taken(): void {
    const { peer, inbound } = this.socket;
    const client = inbound.sink.peer;
    if (peer !== null && client !== null && !inbound.queued) {
      this.#receiveBuffer?.taken(peer.fd, inbound.received, client.fd);
    }
  }

  /** Once much has come of a TCP backend, or more than its client takes. */
  #limitBuffer(): void {
    const { role, kind, peer } = this.socket;
    if (role !== "backend" || kind !== "tcp" || peer === null || this.#receiveBuffer !== null) return;
    // Bun's own declaration does not say that it is missing for a peer that has gone: then little more will come.
    const { remoteAddress } = peer;
    const near = remoteAddress === undefined || isLoopback(canonicalHost(remoteAddress));
    this.#receiveBuffer = new ReceiveBuffer(this.kernel, near);
    this.#receiveBuffer.limit(peer.fd);
  }

  /**
   * Hands over what the kernel's buffer holds, while the sink takes it. Only bytes are taken from the kernel: the end of the
   * data and errors stay there for Bun to find, since asking first means never reading more than there is.
   */
  #readWaiting(): void {
    const { inbound } = this.socket;
    const { kind, peer } = inbound.sink;
    let room = Number.POSITIVE_INFINITY;
    for (let left = quantum; left > 0; ) {
      const fd = this.#flowing;
      if (fd === undefined) return;
      // A Unix socket holds less than is read in a turn: it is asked each time.
      if (peer !== null && (kind === "unix" || left === quantum)) room = this.kernel.sendRoom(peer.fd);
      const length = Math.min(this.kernel.readableBytes(fd), longest(kind, room));
      const count = length > 0 ? this.kernel.receiveInto(fd, buffer, length) : 0;
      if (count <= 0) return;
      inbound.write(buffer.subarray(0, count), true);
      left -= count;
      room -= count;
    }
  }

  /** Much data is on its way: it is read here, once in each turn of the event loop, until a turn brings none. */
  #follow(): void {
    if (this.#paused) return;
    this.#following = true;
    this.#readNextTurn();
  }

  #readNextTurn(): void {
    this.pause();
    clearImmediate(this.#nextTurn);
    this.#nextTurn = setImmediate(() => this.resume());
  }

  /**
   * Keeps Bun from reading while the sink has a lot to take: what comes meanwhile is read in small pieces. Returns whether
   * it does.
   */
  #backOff(backoff: number): boolean {
    if (!this.#sinkIsFarBehind) return false;
    this.pause();
    clearTimeout(this.#backoffTimer);
    this.#backoffTimer = setTimeout(() => this.resume(backoff * 2), backoff);
    return true;
  }

  /** Whether so much is on its way to the sink that a large read may not fit into its kernel buffer any more. */
  get #sinkIsFarBehind(): boolean {
    const { kind, peer } = this.socket.inbound.sink;
    return kind === "tcp" && peer !== null && this.kernel.unsentBytes(peer.fd) >= highWaterMark;
  }
}

/**
 * How much is read at a time for a sink that takes about `room` bytes: what does not fit has to be kept. How much a TCP socket takes
 * depends on how its kernel cuts it, so the reads become small before it is full.
 */
function longest(kind: "tcp" | "unix", room: number): number {
  return kind === "unix"
    ? Math.min(unixLength, Math.max(leastLength, room))
    : Math.min(tcpLength, Math.max(leastLength, Math.floor(room / 2)));
}
