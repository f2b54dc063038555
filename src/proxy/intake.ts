import { receiveWaiting } from "./bulk.ts";
import type { Leg } from "./leg.ts";

/** A TCP peer that has not taken so many bytes is slow: Linux keeps up to 4 MB, and Bun reads up to 512 KB at a time. */
const farAhead = 2 ** 21;
/** Milliseconds between the reads for a slow one: they grow from one, in which 2 MB would be 16 Gbit/s. */
const longestRest = 16;

/** When a leg's peer is read, and by whom: by Bun as data comes, or by ourselves while much is on its way. */
export class Intake {
  #paused = false;
  #following = false;
  #nextTurn: ReturnType<typeof setImmediate> | undefined;
  #restTimer: Timer | undefined;

  constructor(readonly leg: Leg) {}

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    const { peer } = this.leg;
    if (this.#paused || peer === null) return;
    this.#paused = true;
    peer.pause();
  }

  resume(interval = 1): void {
    const { leg } = this;
    if (!this.#paused || leg.peer === null || leg.other.queued) return;
    this.#paused = false;
    const before = leg.received;
    receiveWaiting(leg);
    if (this.#paused) return;
    if (this.#following && leg.received > before) return this.#readNextTurn();
    this.#following = false;
    if (!this.#rest(interval)) leg.peer?.resume();
  }

  /** Much data is on its way: it is read here, once in each turn of the event loop, until a turn brings none. */
  follow(): void {
    if (this.#paused) return;
    this.#following = true;
    this.#readNextTurn();
  }

  /** There is nothing to read any more. */
  stop(): void {
    clearTimeout(this.#restTimer);
    clearImmediate(this.#nextTurn);
  }

  #readNextTurn(): void {
    this.pause();
    clearImmediate(this.#nextTurn);
    this.#nextTurn = setImmediate(() => this.resume());
  }

  /**
   * Keeps Bun from reading while the other side has a lot to take: what comes meanwhile is read in small pieces. Returns
   * whether it does.
   */
  #rest(interval: number): boolean {
    if (!this.#farAhead) return false;
    this.pause();
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => this.resume(Math.min(interval * 2, longestRest)), interval);
    return true;
  }

  /** Is so much on its way to the other side that a large read may not fit into its kernel buffer any more? */
  get #farAhead(): boolean {
    const { other, around } = this.leg;
    return other.peer !== null && other.kind === "tcp" && around.unsentBytes(other.peer.fd) >= farAhead;
  }
}
