import { type Address, formatAddress } from "../address.ts";
import type { Log } from "../log.ts";
import { explainWait } from "./target.ts";

/** Milliseconds of waiting that are not worth a line in the log. */
const patience = 1_000;

/** A time in which the program cannot be reached, as the log tells it: one warning, and one line when it is over. */
export class Outage {
  /** Why the last try failed. */
  reason = "";
  readonly #since = performance.now();
  readonly #clients = new Set<number>();
  #told = false;

  constructor(
    readonly target: Address,
    readonly log: Log,
  ) {}

  /** The client of that number has to wait. */
  holdsUp(client: number): void {
    this.#clients.add(client);
  }

  /** Warns, once, when it has lasted. */
  tell(): void {
    if (this.#told || performance.now() - this.#since < patience) return;
    this.#told = true;
    this.log.warn(`the program ${explainWait(this.reason, this.target)}; clients wait for it`);
  }

  /** The program was reached. */
  end(): void {
    if (!this.#told) return;
    const seconds = ((performance.now() - this.#since) / 1000).toFixed(1);
    this.log.info(
      `the program accepts connections at ${formatAddress(this.target)} after ${seconds} s; ${this.#clients.size} waited for it`,
    );
  }
}
