import { Inactivity } from "./inactivity.ts";

/** How long a client may stay silent after its server has gone before it is closed, and how long it may go on sending. */
const silenceLimit = 5_000;
const limit = 30_000;

/**
 * The time in which a client whose server has gone is read empty. Closing a TCP socket with unread input resets it and may
 * cost the client the end of its answer: so it is left to end by itself, as HTTP servers do in a lingering close.
 */
export class Lingering {
  readonly #start = performance.now();
  readonly #silence = new Inactivity();

  /** `received` counts the bytes that the client has sent. */
  constructor(received: number) {
    this.#silence.lasting(this.#start, received);
  }

  /** Whether it is time to close; to be asked now and then. */
  isOver(now: number, received: number): boolean {
    return this.#silence.lasting(now, received) >= silenceLimit || now - this.#start >= limit;
  }
}
