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
  readonly #clients = new WeakSet<object>();
  #count = 0;
  #told = false;

  constructor(
    /** Where the program is looked for. */
    public target: Address,
    readonly log: Log,
  ) {}

  /** `client` has to wait. It is counted once. */
  holdsUp(client: object): void {
    if (this.#clients.has(client)) return;
    this.#clients.add(client);
    this.#count++;
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
      `the program accepts connections at ${formatAddress(this.target)} after ${seconds} s; ${this.#count} waited for it`,
    );
  }
}
