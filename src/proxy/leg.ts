import type { Dial } from "./dial.ts";
import { Inactivity } from "./inactivity.ts";
import { Intake } from "./intake.ts";
import { Lingering } from "./lingering.ts";
import type { Peer } from "./peer.ts";
import { poll } from "./poll.ts";
import type { Surroundings } from "./surroundings.ts";

/** The connection that a leg belongs to. */
export interface LegOwner {
  /** The leg has closed its peer or found it closed. Called once. */
  legClosed(leg: Leg): void;
  /** The peer has broken the connection off. */
  wasReset(leg: Leg): void;
  /** A client is about to be reset because bytes of its upload can never be delivered. */
  uploadLost(): void;
}

/** Bytes that are kept of a client before its backend is there. Pausing at once costs six system calls for each TCP connect. */
const early = 65_536;
/**
 * Bytes that may wait in a Unix socket whose peer does not take all at once. Linux grants 208 KB by itself (1.25 times the CPU
 * time for a gigabyte), macOS 8: with the buffer forced down to that, Linux moves a quarter at 3.6 times the CPU time.
 */
const unixSendBuffer = 256 * 1024;

/** Milliseconds for which a reset waits while the peer's kernel acknowledges nothing. */
const deliveryLimit = 60_000;

/**
 * One side of a connection: a socket, what is queued for it, and which ends have been seen. What it receives goes to
 * the other leg. Its events may come twice and in any order: `end` after `close`, `drain` at any time.
 *
 * The leg owns its socket from `attach` on and closes it when both directions are over.
 */
export class Leg {
  other!: Leg;
  readonly intake: Intake = new Intake(this);
  /** The dial that is to bring this leg's socket, while it is under way. */
  dial: Dial | null = null;
  /** Bytes received from the peer. */
  received = 0;
  /** Bytes that the peer's kernel buffer has taken. */
  sent = 0;

  #peer: Peer | null = null;
  /** Has the peer said, or shown by closing, that no more data comes? */
  #reading: "open" | "ended" = "open";
  /** `ending` and `resetting` wait until all is delivered; `shut` takes no more data. */
  #writing: "open" | "ending" | "resetting" | "shut" = "open";
  #socket: "dialing" | "open" | "closed" = "dialing";
  #queue: Uint8Array[] = [];
  /** The length of what `prepend` put before the other side's bytes. */
  #header = 0;
  #cancelPoll: (() => void) | undefined;
  #probed = false;
  #roomy = false;
  #lingering: Lingering | undefined;

  constructor(
    readonly role: "client" | "backend",
    /** Only TCP knows resets: what a Unix socket reports as one is an orderly end. */
    readonly kind: "tcp" | "unix",
    readonly owner: LegOwner,
    readonly around: Surroundings,
  ) {}

  /** Null before there is a socket, and behind its end. */
  get peer(): Peer | null {
    return this.#peer;
  }

  /** Are there bytes that the peer's kernel buffer has not taken yet? */
  get queued(): boolean {
    return this.#queue.length > 0;
  }

  get closed(): boolean {
    return this.#socket === "closed";
  }

  /** Is something still to be done for the peer: bytes to write, or a reset behind them? */
  get pending(): boolean {
    return this.#queue.length > 0 || this.#writing === "resetting";
  }

  /** The peer has taken everything, its kernel's part included. */
  get delivered(): boolean {
    return this.#queue.length === 0 && (this.#peer === null || this.around.unsentBytes(this.#peer.fd) === 0);
  }

  /** Bytes of the other side that this peer's kernel has not taken; what it took and the peer left unread does not count. */
  get undelivered(): number {
    return this.other.received - Math.max(0, this.sent - this.#header);
  }

  /** Those that it will never take. */
  get #lost(): number {
    return this.#writing === "shut" ? this.undelivered : 0;
  }

  /** Has a direction ended, whether or not the peer has taken everything yet? */
  get halfClosed(): boolean {
    return this.#reading === "ended" || this.#writing !== "open";
  }

  /** Puts `header` ahead of all that will be sent. */
  prepend(header: Uint8Array): void {
    this.#header = header.length;
    this.#queue.unshift(header);
  }

  /** The socket is there: it belongs to this leg now. Sends what has been queued meanwhile. */
  attach(peer: Peer): void {
    this.#peer = peer;
    this.#socket = "open";
    this.around.lookSoon();
    this.drain();
  }

  /** Does what can wait a little and most connections end without; `now` is the time of performance.now(). */
  look(now: number): void {
    const { tcpKeepalive } = this.around;
    if (this.#peer !== null && !this.#probed) {
      this.#probed = true;
      if (this.kind === "tcp" && tcpKeepalive !== Number.POSITIVE_INFINITY)
        this.around.setKeepAlive(this.#peer.fd, tcpKeepalive);
    }
    this.#endLingering(now);
  }

  /** The descriptor to read from while what the peer sends goes straight on to the other side; undefined while it does not. */
  get flowing(): number | undefined {
    const flows = this.#reading === "open" && !this.intake.paused && !this.other.queued;
    return flows ? this.#peer?.fd : undefined;
  }

  /** Bytes came from the peer. They are this leg's to keep, except for `lent` ones: those are copied if they have to wait. */
  receive(chunk: Uint8Array, lent = false): void {
    this.received += chunk.length;
    this.other.send(chunk, lent);
  }

  /** Sends to the peer, or queues what it does not take yet and stops the other side meanwhile. */
  send(chunk: Uint8Array, lent = false): void {
    if (this.#writing === "shut") return this.#tellOfLoss();
    if (this.#peer !== null && this.#queue.length === 0) {
      const count = this.#peer.write(chunk);
      if (count < 0) return this.#dropQueue();
      this.sent += count;
      if (count === chunk.length) return;
      this.#makeRoom(this.#peer.fd);
      // A view of the rest would keep the whole chunk in memory.
      if (count > 0) [chunk, lent] = [new Uint8Array(chunk.subarray(count)), false];
    }
    this.#queue.push(lent ? chunk.slice() : chunk);
    if (this.#peer !== null || this.other.received >= early) this.other.intake.pause();
  }

  #makeRoom(fd: number): void {
    if (!this.#roomy && this.kind === "unix") this.around.setSendBuffer(fd, unixSendBuffer);
    this.#roomy = true;
  }

  /** The peer takes data again, or says so without reason: the queue is tried once more. */
  drain(): void {
    const peer = this.#peer;
    if (peer === null) return;
    for (let chunk = this.#queue[0]; chunk !== undefined; chunk = this.#queue[0]) {
      const count = peer.write(chunk);
      if (count < 0) return this.#dropQueue();
      this.sent += count;
      if (count < chunk.length) {
        this.#makeRoom(peer.fd);
        if (count > 0) this.#queue[0] = chunk.subarray(count);
        return;
      }
      this.#queue.shift();
    }
    this.other.intake.resume();
    this.#finishWriting();
  }

  /** The peer has ended its data. */
  end(): void {
    if (this.#reading === "ended") return;
    this.#reading = "ended";
    // Both directions are over: the socket is not needed for anything.
    if (this.#writing === "shut") this.#closePeer();
    this.other.#endWriting("ending");
  }

  /** The socket is closed; `error` is there when that was not in order. */
  close(error?: Error): void {
    if (this.#socket === "closed") return;
    const reset = error !== undefined && this.kind === "tcp" && this.#reading === "open";
    if (reset) this.owner.wasReset(this);
    this.#reading = "ended";
    this.#forgetPeer();
    if (reset && this.role === "client") return this.other.abort();
    this.other.#endWriting(reset ? "resetting" : "ending");
  }

  /** Resets the peer now; nothing queued is delivered. */
  abort(): void {
    this.#peer?.terminate();
    this.#forgetPeer();
  }

  /** Closes the peer now: in order if it has all that there was for it and was heard in full, else by a reset, so that it can tell. */
  hangUp(): void {
    if (this.role === "client" && this.other.undelivered > 0) this.#resetForLoss();
    else if (this.pending) this.abort();
    else this.#closePeer();
  }

  /** The peer takes nothing any more: what comes for it is read and thrown away until its own end shows. */
  #dropQueue(): void {
    this.#queue = [];
    this.other.intake.resume();
    if (this.#writing === "resetting") return this.abort();
    this.#writing = "shut";
    if (this.#reading === "ended") return this.#closePeer();
    this.#nobodyLeft();
  }

  #endWriting(how: "ending" | "resetting"): void {
    if (this.#writing !== "open") return;
    this.#writing = how;
    if (how === "resetting") this.#resetWhenDelivered();
    else if (this.#queue.length === 0 && this.#peer !== null) this.#finishWriting();
  }

  /** All that was received for this peer is in the kernel's hands. */
  #finishWriting(): void {
    if (this.#writing !== "ending") return;
    // Once both sides have sent FIN, a reset goes unnoticed.
    if (this.role === "client" && this.#reading === "ended" && this.other.#lost > 0) {
      this.#writing = "resetting";
      return this.#resetWhenDelivered();
    }
    this.#writing = "shut";
    if (this.#reading === "ended" || (this.other.closed && this.role === "backend")) return this.#closePeer();
    this.#peer?.shutdown();
    this.#nobodyLeft();
  }

  /** With the other side gone for good and all delivered, a backend has nobody to answer; a client may still be sending. */
  #nobodyLeft(): void {
    if (!this.other.closed || this.#writing !== "shut" || this.#peer === null || this.#lingering !== undefined) return;
    if (this.role === "backend" || this.#reading === "ended") return this.#closePeer();
    this.#lingering = new Lingering(this.received);
    this.around.lookSoon();
  }

  #endLingering(now: number): void {
    if (this.#lingering === undefined || this.#peer === null) return;
    if (!this.#lingering.isOver(now, this.received)) return this.around.lookSoon();
    if (this.other.#lost > 0) {
      this.#lingering = undefined;
      this.#writing = "resetting";
      return this.#resetWhenDelivered();
    }
    if (this.around.unsentBytes(this.#peer.fd) === 0) this.#closePeer();
    else this.around.lookSoon();
  }

  /**
   * Bytes of the client's cannot be delivered any more. A client that was never answered is reset at once. One that was goes
   * on being read for a while: a reset in the middle of its upload would cost it the answer (RFC 9112, 9.6).
   */
  #tellOfLoss(): void {
    // A write may fail while the answer waits to be read.
    const answering = this.#reading === "open" && !this.closed;
    if (this.role === "client" || answering || this.received > 0 || this.#lost === 0 || this.other.closed) return;
    this.other.#resetForLoss();
  }

  #resetForLoss(): void {
    this.owner.uploadLost();
    this.abort();
  }

  /** A cut-off answer must not look whole, and what came before the cut must arrive: so the reset waits for the queues. */
  #resetWhenDelivered(): void {
    const delivery = new Inactivity();
    const stalled = (now: number) => delivery.lasting(now, this.#acknowledged) >= deliveryLimit;
    this.#cancelPoll = poll(
      (now) => this.delivered || stalled(now),
      () => {
        if (this.role === "client" && this.other.#lost > 0) this.#resetForLoss();
        else this.abort();
      },
    );
  }

  /** Bytes that the peer's kernel has acknowledged. */
  get #acknowledged(): number {
    return this.#peer === null ? this.sent : this.sent - this.around.unsentBytes(this.#peer.fd);
  }

  #closePeer(): void {
    this.#peer?.end();
    this.#forgetPeer();
  }

  #forgetPeer(): void {
    if (this.#socket === "closed") return;
    this.#socket = "closed";
    this.#peer = null;
    this.#writing = "shut";
    this.#queue = [];
    this.#cancelPoll?.();
    this.intake.stop();
    // What still comes from the other side has nowhere to go, and must not stay unread there.
    this.other.intake.resume();
    this.owner.legClosed(this);
    this.other.#nobodyLeft();
    this.#tellOfLoss();
  }
}
