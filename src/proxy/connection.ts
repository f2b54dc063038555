import type { Dial } from "./dial.ts";
import { Inactivity } from "./inactivity.ts";
import { Leg, type LegOwner } from "./leg.ts";
import type { Peer } from "./peer.ts";
import type { Surroundings } from "./surroundings.ts";

/** What a connection needs from the relay that it lives in. */
export interface ConnectionOwner extends Surroundings {
  /** The client left before its backend was reached. */
  cancelDial(dial: Dial): void;
  /** Both sides are closed. Called once. */
  connectionEnded(connection: Connection): void;
}

/** How a connection came to its end; the first cause counts. */
export type Outcome =
  | "in order"
  | "reset by the client"
  | "reset by the program"
  | "upload undelivered"
  | "not connected"
  | "idle"
  | "stopped";

/** A client and its backend as one thing. It owns both sockets from the moment it gets them. */
export class Connection implements LegOwner {
  readonly client: Leg;
  readonly backend: Leg;
  outcome: Outcome = "in order";
  #inactivity = new Inactivity();

  constructor(
    readonly owner: ConnectionOwner,
    /** Client and target, for the log. */
    readonly names: string,
    kinds: { client: "tcp" | "unix"; backend: "tcp" | "unix" },
  ) {
    this.client = new Leg("client", kinds.client, this, owner);
    this.backend = new Leg("backend", kinds.backend, this, owner);
    this.client.other = this.backend;
    this.backend.other = this.client;
  }

  /** A client was accepted. `header` goes to the backend ahead of its bytes. */
  accept(peer: Peer, header: Uint8Array | null): void {
    this.client.attach(peer);
    if (header !== null) this.backend.prepend(header);
  }

  /** The backend was reached. */
  connected(peer: Peer): void {
    this.backend.attach(peer);
  }

  /** The backend cannot be reached: this client is closed. */
  giveUp(): void {
    this.outcome = "not connected";
    this.backend.abort();
    this.client.hangUp();
  }

  /** Closes both sides in order now. */
  hangUp(outcome: Outcome): void {
    if (this.outcome === "in order") this.outcome = outcome;
    this.client.hangUp();
    this.backend.hangUp();
  }

  /** Does what can wait a little; `now` is the time of performance.now(). */
  look(now: number): void {
    this.client.look(now);
    this.backend.look(now);
  }

  /** Milliseconds since the last look that saw bytes move, in either direction. */
  quietFor(now: number): number {
    const { client, backend } = this;
    return this.#inactivity.lasting(now, client.received + client.sent + backend.received + backend.sent);
  }

  /** Counts inactivity from now on only. */
  restartInactivity(now: number): void {
    this.#inactivity = new Inactivity();
    this.quietFor(now);
  }

  get halfClosed(): boolean {
    return this.client.halfClosed || this.backend.halfClosed;
  }

  get dialing(): boolean {
    return this.backend.dial !== null;
  }

  /** Is anything here still to be delivered? */
  get pending(): boolean {
    return this.dialing || this.client.pending || this.backend.pending;
  }

  /** The program has gone and the client has everything. */
  get delivered(): boolean {
    return this.backend.closed && this.client.delivered;
  }

  wasReset(leg: Leg): void {
    if (this.outcome === "in order")
      this.outcome = leg.role === "client" ? "reset by the client" : "reset by the program";
  }

  uploadLost(): void {
    if (this.outcome === "in order") this.outcome = "upload undelivered";
  }

  legClosed(leg: Leg): void {
    if (leg.dial !== null) this.owner.cancelDial(leg.dial);
    if (this.client.closed && this.backend.closed) this.owner.connectionEnded(this);
  }
}
