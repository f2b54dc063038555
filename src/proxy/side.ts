import type { Dial, Dialing } from "./dial.ts";
import { Inactivity } from "./inactivity.ts";
import type { Kernel } from "./kernel.ts";
import { disconnectCheck, Liveness } from "./liveness.ts";
import type { Peer } from "./peer.ts";
import { largeChunk, Reader } from "./reader.ts";
import type { Sink, Source, Stream } from "./stream.ts";

/** The connection that a side belongs to. */
export interface SideOwner {
  readonly kernel: Kernel;
  /** Milliseconds of silence after which a TCP peer is probed; Infinity for never. */
  readonly tcpKeepalive: number;
  /** Has `tick` called in `delay` milliseconds at the latest. */
  tickWithin(delay: number): void;
  /** Whether the program has crashed. */
  hasCrashed(): boolean;
  /** The peer has broken the connection off. */
  wasReset(side: Side): void;
  /** The peer's kernel does not answer any more. */
  vanished(side: Side): void;
  /** The peer is about to be reset by us. */
  willReset(side: Side): void;
  /** The side has closed its socket or found it closed. Called once. */
  sideClosed(side: Side): void;
}

/**
 * Bytes that may wait in a Unix socket whose peer does not take all at once. Linux grants 208 KB unasked (1.25 times the CPU
 * time for a gigabyte), macOS 8: with the buffer forced down to that, Linux moves a quarter at 3.6 times the CPU time.
 */
const unixSendBuffer = 256 * 1024;
/** Milliseconds for which a reset waits while the peer's kernel acknowledges nothing. */
const deliveryLimit = 60_000;
/** Milliseconds between the looks whether everything was delivered: they grow between these two. */
const deliveryChecks = { first: 2, longest: 250 };
/** A client whose server has gone is closed after so many milliseconds of silence, and after so many in all. */
const linger = { silence: 5_000, limit: 30_000, check: 500 };

/**
 * A socket between the two streams of its connection: `inbound` brings what its peer sends to the other side, `outbound` what
 * the other side sends to its peer. The side owns its socket from `attach` on and closes it.
 */
export class Side implements Source, Sink, Dialing<Side> {
  inbound!: Stream;
  outbound!: Stream;
  /** The dial that is to bring this side's socket, while it is under way. */
  dial: Dial<Side> | null = null;
  /** Null before there is a socket, and after its end. */
  peer: Peer | null = null;
  closed = false;

  /** Made for a peer that is paused or sends a lot; most do neither. */
  #reader: Reader | null = null;
  /** Made at the first look: most connections are over by then. */
  #liveness: Liveness | null = null;
  #sendBuffer: "standard" | "grown" = "standard";
  #lingering: { since: number; silence: Inactivity } | null = null;
  #delivery: { inactivity: Inactivity; nextCheck: number } | null = null;

  constructor(
    readonly role: "client" | "backend",
    /** Only TCP knows resets: what a Unix socket reports as one is an orderly end. */
    readonly kind: "tcp" | "unix",
    readonly owner: SideOwner,
  ) {}

  /** Whether the peer has taken everything, its kernel's part included. */
  get delivered(): boolean {
    return !this.outbound.queued && this.#unsent === 0;
  }

  /** Bytes that the peer's kernel has acknowledged; those that ours has taken where that cannot be told. */
  get acknowledged(): number {
    return this.outbound.sent - this.#unsent;
  }

  /**
   * Whether nothing that the peer has sent is unread, and nothing sent to it is unacknowledged. On a Unix socket of macOS all that our
   * kernel has taken lies in the peer's buffer and counts as acknowledged (`unsentBytes`): no close takes it away from there.
   */
  get atRest(): boolean {
    return this.#unsent === 0 && !this.hasUnread;
  }

  /** Whether the peer has sent something that is unread. */
  get hasUnread(): boolean {
    return this.peer !== null && this.owner.kernel.readableBytes(this.peer.fd) > 0;
  }

  /**
   * A client bytes of whose upload are lost must not get FIN where it could not be told of the loss any more: it has ended its
   * upload already, or waits for an answer that will not come.
   */
  get mustBeReset(): boolean {
    const { inbound, outbound } = this;
    return this.role === "client" && inbound.lost > 0 && (inbound.ended || outbound.received === 0);
  }

  /** The socket is there: it belongs to this side now. Sends what has been queued meanwhile. */
  attach(peer: Peer): void {
    this.peer = peer;
    this.outbound.flush();
  }

  /** Bun has read a chunk. */
  receive(chunk: Uint8Array): void {
    if (chunk.length < largeChunk && this.#reader === null) this.inbound.write(chunk);
    else this.#readerOf().receive(chunk);
  }

  /** The peer has ended its data. */
  end(): void {
    if (this.inbound.ended) return;
    if (this.#isCrash) {
      this.owner.wasReset(this);
      this.inbound.reset();
    } else this.inbound.end();
    this.closeIfDone();
    if (this.kind === "unix" && !this.closed) this.owner.tickWithin(disconnectCheck);
  }

  /** The socket is closed; `error` is there when that was not in order. */
  socketClosed(error?: Error): void {
    if (this.closed) return;
    const reset = !this.inbound.ended && ((error !== undefined && this.kind === "tcp") || this.#isCrash);
    if (reset) this.owner.wasReset(this);
    this.#forgetPeer();
    if (reset) this.inbound.reset();
    else this.inbound.end();
  }

  /** The backend cannot be reached yet: its client is not read meanwhile. */
  mustWait(): void {
    this.outbound.source.pause();
  }

  pause(): void {
    this.#readerOf().sinkIsBehind();
  }

  resume(): void {
    this.#reader?.resume();
  }

  growSendBuffer(): void {
    if (this.#sendBuffer === "grown" || this.peer === null) return;
    this.#sendBuffer = "grown";
    if (this.kind === "unix") this.owner.kernel.setSendBuffer(this.peer.fd, unixSendBuffer);
  }

  /** A client whose upload is dropped, and that has its FIN without an answer, is reset at once. */
  dropped(): void {
    if (this.outbound.state === "over" && this.mustBeReset) this.reset();
  }

  /** The peer has everything that there was for it: it gets FIN, by a close where that is due. */
  finish(): void {
    if (!this.#done) this.peer?.shutdown();
    this.closeIfDone();
  }

  /**
   * A cut-off answer must not look whole, and what came before the cut must arrive: so a client's reset waits until its
   * kernel has everything. What a client sent before its own reset need not arrive.
   */
  resetWhenDelivered(): void {
    if (this.role === "backend") return this.reset();
    this.#lingering = null;
    this.#delivery = { inactivity: new Inactivity(), nextCheck: deliveryChecks.first };
    this.owner.tickWithin(this.#checkDelivery(performance.now()));
  }

  /** Resets the peer now; nothing queued is delivered. */
  reset(): void {
    if (this.closed) return;
    this.owner.willReset(this);
    const { peer } = this;
    this.#forgetPeer();
    peer?.terminate();
  }

  /** Closes the socket now: in order if its peer has all that there was for it and was heard in full, else by a reset, so that it can tell. */
  close(): void {
    const unheard = this.role === "client" && this.inbound.undelivered > 0;
    if (this.outbound.pending || unheard) this.reset();
    else this.#end();
  }

  /**
   * Sends the peer FIN, to be closed right afterwards, unless something that it has sent is unread; returns whether it has FIN now. One
   * that has it already is not sent another: that would be an error on macOS.
   */
  shutDownIfRead(): boolean {
    return this.peer === null || this.outbound.shut || this.owner.kernel.shutDownIfRead(this.peer.fd);
  }

  /** Closes the socket once it is not needed for anything. A client that may still be sending is read empty for a while before. */
  closeIfDone(): void {
    if (this.closed) return;
    if (this.#done) return this.#end();
    if (this.outbound.state !== "over" || this.inbound.state !== "discarding" || this.#lingering !== null) return;
    const since = performance.now();
    this.#lingering = { since, silence: new Inactivity() };
    this.#lingering.silence.lasting(since, this.inbound.received);
    this.owner.tickWithin(linger.check);
  }

  /** Does what can wait a little; returns milliseconds until it wants to be called again. */
  tick(now: number): number {
    if (this.peer === null) return Number.POSITIVE_INFINITY;
    return Math.min(this.#checkDelivery(now), this.#checkLingering(now), this.#checkLiveness());
  }

  /** The rule for closing a socket: nothing comes in that anybody takes, and nothing more goes out. A client's end is waited for. */
  get #done(): boolean {
    const nobodyListens = this.role === "backend" && this.inbound.state === "discarding";
    return this.outbound.shut && (this.inbound.ended || nobodyListens);
  }

  get #unsent(): number {
    return this.peer === null ? 0 : this.owner.kernel.unsentBytes(this.peer.fd);
  }

  #checkDelivery(now: number): number {
    if (this.#delivery === null || this.closed) return Number.POSITIVE_INFINITY;
    const { inactivity, nextCheck } = this.#delivery;
    const stalled = inactivity.lasting(now, this.acknowledged) >= deliveryLimit;
    if (this.delivered || stalled) {
      this.reset();
      return Number.POSITIVE_INFINITY;
    }
    this.#delivery.nextCheck = Math.min(nextCheck * 2, deliveryChecks.longest);
    return nextCheck;
  }

  /**
   * Closing a TCP socket with unread input resets it and may cost the client the end of its answer: so a client whose server
   * has gone is left time to end its data, as HTTP servers do (RFC 9112, 9.6).
   */
  #checkLingering(now: number): number {
    if (this.#lingering === null || this.closed) return Number.POSITIVE_INFINITY;
    const { since, silence } = this.#lingering;
    const over = silence.lasting(now, this.inbound.received) >= linger.silence || now - since >= linger.limit;
    if (over && this.inbound.lost > 0) this.resetWhenDelivered();
    else if (over && this.#unsent === 0) this.#end();
    return this.#lingering === null ? Number.POSITIVE_INFINITY : linger.check;
  }

  /** Whether the end of this backend's data is that of a program that has crashed: over TCP a reset tells. */
  get #isCrash(): boolean {
    return this.role === "backend" && this.kind === "unix" && this.owner.hasCrashed();
  }

  #checkLiveness(): number {
    const { peer } = this;
    if (peer === null) return Number.POSITIVE_INFINITY;
    this.#liveness ??= new Liveness(this);
    const found = this.#liveness.check(peer.fd);
    if (typeof found === "number") return found;
    if (found === "disconnected") {
      this.socketClosed();
      peer.end();
    } else {
      this.owner.vanished(this);
      const { ended } = this.inbound;
      this.#forgetPeer();
      if (!ended) this.inbound.reset();
      peer.terminate();
    }
    return Number.POSITIVE_INFINITY;
  }

  #readerOf(): Reader {
    this.#reader ??= new Reader(this, this.owner.kernel);
    return this.#reader;
  }

  #end(): void {
    const { peer } = this;
    this.#forgetPeer();
    peer?.end();
  }

  #forgetPeer(): void {
    if (this.closed) return;
    this.closed = true;
    this.peer = null;
    this.#lingering = null;
    this.#delivery = null;
    this.#reader?.stop();
    this.owner.sideClosed(this);
    this.outbound.close();
  }
}
