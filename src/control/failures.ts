import type { Log } from "../log.ts";

/** Passes lines on to a log, and keeps the last one that tells of a failure (`error` and `warn`), whatever the log shows. */
export class FailureLog implements Log {
  last: { at: Date; reason: string } | null = null;

  constructor(readonly log: Log) {}

  readonly error = (line: unknown) => this.#failed("error", line);
  readonly warn = (line: unknown) => this.#failed("warn", line);
  readonly info = (line: unknown) => this.log.info(line);
  readonly debug = (line: unknown) => this.log.debug(line);

  #failed(level: "error" | "warn", line: unknown): void {
    this.last = { at: new Date(), reason: String(line) };
    this.log[level](line);
  }
}
