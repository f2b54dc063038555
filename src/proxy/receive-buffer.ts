import type { Kernel } from "./kernel.ts";

/**
 * What a slow client has not taken is kept: all that was read at once, which is up to 512 KB, but no more than there was.
 * A Unix socket holds little (208 KB on Linux, 8 KB on macOS); what a TCP socket holds grows to megabytes unless limited.
 */
const limited = 128 * 1024;
/**
 * What may be on its way from a backend that is not near: a round trip moves no more than this, and with 128 KB and 50 ms that
 * was an eleventh of what HAProxy moves.
 */
const grown = 4 * 1024 * 1024;
/** How many connections may have so much at a time: with the kernel's own cost it is 6 MiB for each on Linux, and 60 in all. */
const mostGrown = 10;
/** Milliseconds for which a client may be behind without having to prove itself anew: the buffer of a Unix socket is soon full. */
const moment = 50;
/**
 * Bytes that a client's kernel has to have taken or to offer to take before its backend's buffer grows: more than it does for a
 * client that reads nothing, which is up to 128 KB on Linux (64 to begin with, half of tcp_rmem's default) and on macOS
 * (net.inet.tcp.recvspace). Its offer counts, since that tells of a client that reads a round trip or two earlier: a server's BBR
 * takes three round trips at a limit for all that the way can carry, and tries more only slowly. A Unix socket offers nothing.
 */
const proof = 144 * 1024;

let grownNow = 0;

/** How much the kernel may hold of what a TCP backend sends: little, unless the backend is far and the client fast. */
export class ReceiveBuffer {
  /** `free` is the kernel's own choice, which holds as long as little comes. */
  #size: "free" | "limited" | "grown" = "free";
  /** How much had come when the client was behind for the last time. */
  #takenSince = 0;
  /** Since when it is behind, on the clock of performance.now(). */
  #behindSince: number | null = null;

  constructor(
    readonly kernel: Kernel,
    /** Whether it is on this machine: no round trip is worth more than the limit there. */
    readonly near: boolean,
  ) {}

  /** Much is on its way. */
  limit(fd: number): void {
    if (this.#size !== "free") return;
    this.#size = "limited";
    this.kernel.setReceiveBuffer(fd, limited);
  }

  /** The client does not take everything at once. What has grown stays so. */
  clientIsBehind(): void {
    this.#behindSince ??= performance.now();
  }

  /** What has come so far, `received` bytes, has gone to the client's socket `client`: grows where that is due. */
  taken(fd: number, received: number, client: number): void {
    if (this.#size !== "limited" || this.near) return;
    if (this.#behindSince !== null && performance.now() - this.#behindSince > moment) this.#takenSince = received;
    this.#behindSince = null;
    const taken = received - this.#takenSince;
    if (grownNow >= mostGrown) return;
    if (taken - this.kernel.unsentBytes(client) + this.kernel.offeredWindow(client) < proof) return;
    grownNow++;
    this.#size = "grown";
    this.kernel.growReceiveBuffer(fd, grown);
  }

  /** The socket is closed. */
  release(): void {
    if (this.#size === "grown") grownNow--;
    this.#size = "free";
  }
}
