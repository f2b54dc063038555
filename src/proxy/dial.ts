import type { Socket, SocketHandler } from "bun";
import type { Address } from "../address.ts";
import { reasonOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { Outage } from "./outage.ts";
import { type BackendAddress, connect, explainWait, isRetryable, knownAddresses, lookUp } from "./target.ts";

/** What is to get a socket; it becomes that socket's data. */
export interface Dialing<Side extends Dialing<Side>> {
  /** The dial that is to bring the socket, while it is under way. The dialer's own. */
  dial: Dial<Side> | null;
  /** The program cannot be reached yet. */
  mustWait(): void;
}

/** A client's wait for its backend. Exactly one of the two functions is called, once, unless the dial is cancelled. */
export interface Dial<Side extends Dialing<Side>> {
  readonly dialer: Dialer<Side>;
  readonly side: Side;
  readonly connected: (socket: Socket<Side>) => void;
  readonly failed: (reason: string) => void;
  /** Position in the order in which the clients came. */
  readonly order: number;
  /** When it fails, on the clock of performance.now(). */
  readonly deadline: number;
  /** How many of the target's addresses were tried in this round, and why the first one failed. */
  tried: number;
  reason: string;
}

/** Milliseconds between tries. */
const firstPause = 5;
const longestPause = 250;
/**
 * More TCP connects are not made at once: what does not fit into a server's backlog is lost and only comes again after
 * a second, then two, then four. And when so many clients wait for their turn no more are accepted.
 */
const tcpAtOnce = 8;
const tcpWaiting = 64;

/**
 * Connects clients to the program. While it cannot be reached, clients are tried one at a time in the order in which
 * they came, until each one's time is over. A connection is only ever made for a client that is there.
 */
export class Dialer<Side extends Dialing<Side>> {
  /** Called when `open` may have changed. */
  onChange: () => void = () => {};
  /** Called when the target has no socket at its path. */
  onMissing: () => void = () => {};
  /** Whether the program was ever reached. */
  reached = false;

  #state: "unproven" | "reachable" | "waiting" | "abandoned" = "unproven";
  #waiting: Dial<Side>[] = [];
  readonly #underWay = new Set<Dial<Side>>();
  /** Sockets that are being connected. */
  #connecting = 0;
  #dials = 0;
  #advancing = false;
  #pause = firstPause;
  #retry: Timer | undefined;
  #watch: Timer | undefined;
  #outage: Outage | null = null;
  /** How the last try went. */
  #lastTry: "reached" | "missed" = "missed";
  #addresses: BackendAddress[] | null;
  readonly #handlers: SocketHandler<Side>;

  constructor(
    readonly target: Address,
    /** Milliseconds that a client waits; Infinity for no limit. */
    readonly timeout: number,
    handlers: SocketHandler<Side>,
    readonly log: Log,
  ) {
    this.#addresses = knownAddresses(target);
    this.#handlers = {
      ...handlers,
      open: (socket) => this.#connected(socket),
      connectError: ({ data: { dial } }, error) => this.#refused(dial, error),
    };
  }

  /** Whether clients may be accepted. One at a time until the program was reached, none while others wait. */
  get open(): boolean {
    if (this.#state === "reachable") return this.#waiting.length < tcpWaiting;
    return this.#state === "unproven" && this.#underWay.size === 0;
  }

  /** Connects that are still under way in the kernel although their dials are over: nothing can take them back, and each holds a descriptor. */
  get orphaned(): number {
    return Math.max(0, this.#connecting - this.#underWay.size);
  }

  /** Why clients have to wait for the program, as the end of a sentence about it; null while they do not. */
  get outage(): string | null {
    return this.#state === "waiting" && this.#outage !== null ? explainWait(this.#outage.reason, this.target) : null;
  }

  /** Connects for `side`, which becomes the socket's data. */
  dial(side: Side, connected: Dial<Side>["connected"], failed: Dial<Side>["failed"]): void {
    const deadline = performance.now() + this.timeout;
    const dial: Dial<Side> = {
      dialer: this,
      side,
      connected,
      failed,
      order: this.#dials++,
      deadline,
      tried: 0,
      reason: "",
    };
    this.#take(dial);
  }

  /**
   * Gives the clients that wait to another dialer that has none yet, in their order and each with its deadline, and what they wait for
   * with them. Nobody is dialled for here from then on.
   */
  handOver(to: Dialer<Side>): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#watch);
    if (this.#outage !== null && this.#waiting.length > 0) {
      to.#state = "waiting";
      to.#outage = this.#outage;
      to.#outage.target = to.target;
      this.#outage = null;
    }
    for (const dial of this.#waiting.splice(0)) to.#take({ ...dial, dialer: to, order: to.#dials++ });
  }

  #take(dial: Dial<Side>): void {
    dial.side.dial = dial;
    if (this.#state === "abandoned") this.#fail(dial, "the program has ended");
    else if (this.#mayTry) this.#try(dial);
    else this.#enqueue(dial);
  }

  /** Takes a dial back: nothing is called for it any more. */
  cancel(dial: Dial<Side>): void {
    const wasUnderWay = this.#forget(dial);
    if (wasUnderWay) this.#next();
  }

  /** Fails all pending dials: there will be nobody to connect to. */
  abandon(): void {
    this.#state = "abandoned";
    clearTimeout(this.#retry);
    for (const dial of [...this.#underWay, ...this.#waiting]) this.#fail(dial, "the program has ended");
  }

  #try(dial: Dial<Side>): void {
    this.#underWay.add(dial);
    dial.tried = 0;
    if (this.target.kind === "tcp") this.#startWatch();
    if (this.#addresses !== null) return this.#connect(dial);
    lookUp(this.target).then(
      (addresses) => {
        this.#addresses = addresses;
        this.#connect(dial);
      },
      (error) => this.#missed(dial, reasonOf(error)),
    );
  }

  #connect(dial: Dial<Side>): void {
    const address = this.#addresses?.[dial.tried];
    if (dial.side.dial !== dial) return;
    if (address === undefined) return this.#missed(dial, dial.reason);
    this.#connecting++;
    try {
      connect(address, dial.side, this.#handlers);
    } catch (error) {
      this.#refused(dial, error);
    }
  }

  #refused(dial: Dial<Side> | null, error: unknown): void {
    this.#connecting--;
    if (dial === null) return this.onChange();
    if (dial.tried++ === 0) dial.reason = reasonOf(error);
    this.#connect(dial);
  }

  #connected(socket: Socket<Side>): void {
    const { dial } = socket.data;
    this.#connecting--;
    if (dial === null) {
      socket.terminate();
      return this.onChange();
    }
    this.#forget(dial);
    this.reached = true;
    this.#lastTry = "reached";
    this.#pause = firstPause;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (this.#state === "unproven") this.#state = "reachable";
    dial.connected(socket);
    this.#next();
  }

  /** None of the target's addresses took the connection. */
  #missed(dial: Dial<Side>, reason: string): void {
    if (dial.side.dial !== dial) return;
    // A host name may have moved.
    this.#addresses = knownAddresses(this.target);
    if (!isRetryable(reason, this.reached) || performance.now() >= dial.deadline) {
      this.#fail(dial, reason);
      this.#next();
      return;
    }
    this.#underWay.delete(dial);
    if (reason === "ENOENT") this.onMissing();
    this.#lastTry = "missed";
    this.#state = "waiting";
    this.#outage ??= new Outage(this.target, this.log);
    this.#outage.reason = dial.reason = reason;
    this.#enqueue(dial);
    this.#scheduleRetry();
    this.onChange();
  }

  #enqueue(dial: Dial<Side>): void {
    // A client that has to wait for the program is not read.
    if (this.#state === "waiting") dial.side.mustWait();
    this.#outage?.holdsUp(dial.side);
    const later = this.#waiting.findIndex((other) => other.order > dial.order);
    this.#waiting.splice(later < 0 ? this.#waiting.length : later, 0, dial);
  }

  /** A dial is over: in a queue it is the next one's turn, and the last one ends the waiting. */
  #next(): void {
    // A connection to a Unix socket is over before #try returns, and comes here again.
    if (!this.#advancing) {
      this.#advancing = true;
      while (this.#mayTry) {
        const dial = this.#waiting.shift();
        if (dial === undefined) break;
        this.#try(dial);
      }
      this.#advancing = false;
      if (this.#state === "waiting" && this.#mayTry) this.#endWaiting();
    }
    this.onChange();
  }

  /** Whether one more connection may be made now. */
  get #mayTry(): boolean {
    switch (this.#state) {
      case "waiting":
        return this.#retry === undefined && this.#underWay.size === 0;
      case "abandoned":
        return false;
      default:
        return this.target.kind === "unix" || this.#underWay.size < tcpAtOnce;
    }
  }

  #scheduleRetry(): void {
    if (this.#retry !== undefined || this.#underWay.size > 0) return;
    const left = Math.min(...this.#waiting.map((dial) => dial.deadline)) - performance.now();
    this.#retry = setTimeout(() => this.#retryNow(), Math.max(0, Math.min(this.#pause, left)));
    this.#pause = Math.min(this.#pause * 1.5, longestPause);
  }

  #retryNow(): void {
    this.#retry = undefined;
    this.#outage?.tell();
    const now = performance.now();
    for (const dial of this.#waiting.filter(({ deadline }) => now >= deadline)) this.#fail(dial, dial.reason);
    this.#next();
  }

  /** Nobody waits any more: because the program was reached, or because all have failed. */
  #endWaiting(): void {
    this.#state = this.#lastTry === "reached" ? "reachable" : "unproven";
    if (this.#lastTry === "missed") return;
    this.#outage?.end();
    this.#outage = null;
  }

  #fail(dial: Dial<Side>, reason: string): void {
    this.#forget(dial);
    dial.failed(reason);
  }

  /** Returns whether a connection was under way for it. */
  #forget(dial: Dial<Side>): boolean {
    dial.side.dial = null;
    const index = this.#waiting.indexOf(dial);
    if (index >= 0) this.#waiting.splice(index, 1);
    return this.#underWay.delete(dial);
  }

  /** A TCP connect can hang for minutes: while one is under way, deadlines are looked at. */
  #startWatch(): void {
    if (this.#watch !== undefined || this.timeout === Number.POSITIVE_INFINITY) return;
    const interval = Math.min(Math.max(this.timeout / 10, 10), 1_000);
    this.#watch = setTimeout(() => {
      this.#watch = undefined;
      const now = performance.now();
      for (const dial of [...this.#underWay, ...this.#waiting]) if (now >= dial.deadline) this.#fail(dial, "ETIMEDOUT");
      if (this.#underWay.size > 0) this.#startWatch();
      this.#next();
    }, interval);
  }
}
