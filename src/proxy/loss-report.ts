import type { Log } from "../log.ts";

/** Milliseconds between two warnings. */
const interval = 1_000;

/** Warns of clients that were reset because a part of their upload could not be delivered: of the first at once, then of all that came within a second. */
export class LossReport {
  #clients = 0;
  #bytes = 0;
  #timer: Timer | undefined;

  constructor(readonly log: Log) {}

  /** One more client was reset, of whose upload `bytes` were lost. */
  add(bytes: number): void {
    this.#clients++;
    this.#bytes += bytes;
    if (this.#timer === undefined) this.#warn();
  }

  /** Tells what has not been told yet. */
  close(): void {
    clearTimeout(this.#timer);
    this.#tell();
  }

  #warn(): void {
    this.#tell();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#clients > 0) this.#warn();
    }, interval);
    this.#timer.unref();
  }

  #tell(): void {
    if (this.#clients === 0) return;
    const [connections, clients, were] =
      this.#clients === 1
        ? ["a connection", "its client", "was"]
        : [`${this.#clients} connections`, "their clients", "were"];
    this.log.warn(
      `the program closed ${connections} before it had taken all that ${clients} sent: ${this.#bytes} bytes could not be delivered, and ${clients} ${were} reset`,
    );
    [this.#clients, this.#bytes] = [0, 0];
  }
}
