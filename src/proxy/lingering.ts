/** How long a client may stay silent after its server has gone before it is closed, and how long it may go on sending. */
const quiet = 5_000;
const limit = 30_000;

/**
 * The time in which a client whose server has gone is read empty. Closing a TCP socket with unread input resets it and may
 * cost the client the end of its answer: so it is left to end by itself, as HTTP servers do in a lingering close.
 */
export class Lingering {
  readonly #start = performance.now();
  #quietSince = this.#start;
  #received: number;

  /** `received` counts the bytes that the client has sent. */
  constructor(received: number) {
    this.#received = received;
  }

  /** To be asked now and then: is it time to close? */
  isOver(now: number, received: number): boolean {
    if (received !== this.#received) [this.#quietSince, this.#received] = [now, received];
    return now - this.#quietSince >= quiet || now - this.#start >= limit;
  }
}
