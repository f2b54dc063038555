import type { Clock, TimeEvent } from "./clock.ts";
import type { Dial } from "./dial.ts";
import { Inactivity } from "./inactivity.ts";
import type { Kernel } from "./kernel.ts";
import type { Peer } from "./peer.ts";
import { Side, type SideOwner } from "./side.ts";
import { type Conversation, Stream } from "./stream.ts";
import type { Target } from "./target.ts";

/** What a connection needs of the relay that it lives in. */
export interface ConnectionOwner {
  readonly kernel: Kernel;
  readonly clock: Clock;
  /** Milliseconds, Infinity for never. */
  readonly limits: { readonly tcpKeepalive: number; readonly idleTimeout: number };
  /** Has the first tick of a new connection called within `firstTick` milliseconds. */
  tickSoon(): void;
  /** The client left before its backend was reached. */
  cancelDial(dial: Dial<Side>): void;
  /** Both sides are closed. Called once. */
  connectionEnded(connection: Connection): void;
}

/** How a connection came to its end; the first cause counts. */
export type Outcome =
  | "in order"
  | "reset by the client"
  | "reset by the program"
  | "client vanished"
  | "program vanished"
  | "upload undelivered"
  | "not connected"
  | "idle"
  | "at rest"
  | "at rest, while its client sent"
  | "stopped";

/**
 * Milliseconds until a new connection is first looked at, with all others that came meanwhile. Most are over by then, and have
 * cost neither timers nor system calls for keep-alive probes: a tenth of a short connection's CPU time.
 */
export const firstTick = 500;
/** Milliseconds after which a half-closed connection on which nothing moves is closed. */
const halfClosedLimit = 3_600_000;

/** A client and its backend as one thing. It owns both sockets from the moment it gets them. */
export class Connection implements SideOwner, TimeEvent, Conversation {
  readonly client: Side;
  readonly backend: Side;
  /** From the client to the backend. */
  readonly up: Stream;
  readonly down: Stream;
  readonly kernel: Kernel;
  outcome: Outcome = "in order";
  /** Where the backend is, or will be looked for; the relay's to set. */
  target: Target | null = null;
  lastSpeaker: Conversation["lastSpeaker"] = null;
  appointment: TimeEvent["appointment"] = null;
  /** Whether the first tick is still to come, which needs no appointment. */
  #isNew = true;
  #idleness: Inactivity | null = null;

  constructor(
    readonly owner: ConnectionOwner,
    /** The client, for the log. */
    readonly label: string,
    kinds: { client: "tcp" | "unix"; backend: "tcp" | "unix" },
  ) {
    this.kernel = owner.kernel;
    this.client = new Side("client", kinds.client, this);
    this.backend = new Side("backend", kinds.backend, this);
    this.up = new Stream(this.client, this.backend, this);
    this.down = new Stream(this.backend, this.client, this);
    this.client.inbound = this.backend.outbound = this.up;
    this.client.outbound = this.backend.inbound = this.down;
  }

  get tcpKeepalive(): number {
    return this.owner.limits.tcpKeepalive;
  }

  /** A client was accepted. `header` goes to the backend before its bytes. */
  accept(peer: Peer, header: Uint8Array | null): void {
    this.owner.tickSoon();
    this.client.attach(peer);
    if (header !== null) this.up.prepend(header);
  }

  /** The backend was reached. */
  connected(peer: Peer): void {
    this.tickWithin(firstTick);
    this.backend.attach(peer);
  }

  /** The backend cannot be reached: this client is closed. */
  connectFailed(): void {
    this.close("not connected");
  }

  /** The program has crashed: what it had still to say is missing. */
  programCrashed(): void {
    if (this.down.shut) return;
    this.wasReset(this.backend);
    this.down.cutOff();
  }

  /** Whether the program has crashed, which cuts off what it has not sent yet. */
  hasCrashed(): boolean {
    return this.target?.hasCrashed() ?? false;
  }

  /** Closes both sides now: in order, or by a reset where something is undelivered. */
  close(outcome: Outcome): void {
    if (this.outcome === "in order") this.outcome = outcome;
    this.client.close();
    this.backend.close();
  }

  /** Closes a connection that is at rest, the client first; returns whether it was. What the client sends in that moment gets no answer. */
  closeAtRest(): boolean {
    if (!this.atRest || !this.client.shutDownIfRead()) return false;
    this.close(this.client.hasUnread ? "at rest, while its client sent" : "at rest");
    return true;
  }

  /** Bytes that have moved in either direction, as far as is known without asking the kernel. */
  get moved(): number {
    return this.up.received + this.up.sent + this.down.received + this.down.sent;
  }

  /** Whether a direction has ended, whether or not everything is delivered yet. */
  get halfClosed(): boolean {
    return this.up.state !== "open" || this.down.state !== "open";
  }

  get dialing(): boolean {
    return this.backend.dial !== null;
  }

  /** Whether anything here is still to be delivered. */
  get pending(): boolean {
    return this.dialing || this.up.pending || this.down.pending;
  }

  /**
   * Whether nobody waits for anything: nobody has spoken yet or the program spoke last, and nothing is on its way. A client that
   * has ended its upload waits for the rest.
   */
  get atRest(): boolean {
    if (this.lastSpeaker === this.up || this.up.state !== "open" || this.pending) return false;
    return this.backend.atRest && this.client.atRest;
  }

  /** Whether the program has gone and the client has everything. */
  get delivered(): boolean {
    return this.backend.closed && this.client.delivered;
  }

  tickWithin(delay: number): void {
    if (this.#isNew && delay >= firstTick) return;
    this.owner.clock.schedule(this, delay);
  }

  tick(now: number): number {
    this.#isNew = false;
    const next = Math.min(this.client.tick(now), this.backend.tick(now));
    const limit = this.halfClosed
      ? Math.min(this.owner.limits.idleTimeout, halfClosedLimit)
      : this.owner.limits.idleTimeout;
    if (!this.dialing && this.#idleFor(now) >= limit) this.close("idle");
    return this.#ended ? Number.POSITIVE_INFINITY : Math.min(next, idleCheck(this.owner.limits.idleTimeout));
  }

  wasReset(side: Side): void {
    if (this.outcome === "in order")
      this.outcome = side === this.client ? "reset by the client" : "reset by the program";
  }

  vanished(side: Side): void {
    if (this.outcome === "in order") this.outcome = side === this.client ? "client vanished" : "program vanished";
  }

  willReset(side: Side): void {
    if (this.outcome === "in order" && side === this.client && this.up.undelivered > 0)
      this.outcome = "upload undelivered";
  }

  sideClosed(side: Side): void {
    if (side.dial !== null) this.owner.cancelDial(side.dial);
    if (!this.#ended) return;
    this.owner.clock.cancel(this);
    this.owner.connectionEnded(this);
  }

  /** Milliseconds since the last look that found that something had come, or that a peer's kernel had acknowledged something. */
  #idleFor(now: number): number {
    this.#idleness ??= new Inactivity();
    const { up, down, client, backend } = this;
    return this.#idleness.lasting(now, up.received + down.received + client.acknowledged + backend.acknowledged);
  }

  get #ended(): boolean {
    return this.client.closed && this.backend.closed;
  }
}

/** Milliseconds between the looks whether a connection is idle. */
export function idleCheck(idleTimeout: number): number {
  return Math.max(50, Math.min(idleTimeout, halfClosedLimit) / 8);
}
