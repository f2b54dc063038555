import { constants } from "node:os";
import { inTerminalForeground, isIgnored } from "../system/process.ts";

/** The signals that mean something to servers (reload, reopen the logs, upgrade) and not to us. */
const passedOn = ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;

/** What came by signal: wishes to stop, one more urgent than the other. */
export class Signals {
  /** Resolves with the first SIGTERM or SIGINT. */
  readonly stop: Promise<void>;
  /** Aborted by the second: waiting for transfers is over. */
  readonly force: AbortSignal;
  /** Aborted by the third: the program is to be killed. */
  readonly kill: AbortSignal;
  #latest: "SIGTERM" | "SIGINT" = "SIGTERM";

  constructor() {
    const [stop, force, kill] = [Promise.withResolvers<void>(), new AbortController(), new AbortController()];
    const steps = [() => stop.resolve(), () => force.abort(), () => kill.abort()];
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      if (signal === "SIGINT" && isIgnored(constants.signals[signal])) continue;
      process.on(signal, () => {
        this.#latest = signal;
        steps.shift()?.();
      });
    }
    this.stop = stop.promise;
    this.force = force.signal;
    this.kill = kill.signal;
  }

  /** Signals that are meant for the program are given to `pass` from now on. One that was ignored when we came stays ignored. */
  passTo(pass: (signal: NodeJS.Signals) => void): void {
    for (const signal of passedOn) {
      if (!isIgnored(constants.signals[signal])) process.on(signal, () => pass(signal));
    }
  }

  /** The signal to stop the program with, or null where it has had it: Ctrl-C goes to all of a terminal's foreground. */
  get forProgram(): "SIGTERM" | "SIGINT" | null {
    return this.#latest === "SIGINT" && inTerminalForeground() ? null : this.#latest;
  }
}
