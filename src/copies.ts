import type { ReloadStatus } from "./control/protocol.ts";
import type { Copy } from "./copy.ts";
import { UserError } from "./errors.ts";
import { log } from "./log.ts";
import { LogTail } from "./log-tail.ts";
import { describeExit, type Exit, hasFailed } from "./program/program.ts";
import type { Connection } from "./proxy/connection.ts";
import { untilReady } from "./proxy/readiness.ts";
import type { Relay } from "./proxy/relay.ts";
import type { Settings } from "./settings/options.ts";
import { routesOf } from "./settings/routes.ts";

/** What the copies need of the settings. */
export type CopySettings = Pick<
  Settings,
  "connectTimeout" | "drainTimeout" | "stopTimeout" | "proxyProtocol" | "route" | "tcpAddress" | "socketPath"
>;

/** Milliseconds between the looks at what changes by itself. */
const look = 20;
/** So many looks behind connections are counted: those of a program that crashes end shortly before its own end can be seen. */
const crashLooks = 5;
/** Milliseconds for which the old copy stays after the switch, whether or not it has connections: many servers that cannot serve end within them. */
const probation = 1_000;
/** A connection on which something has moved in so many milliseconds is under way: a transfer too may pause. */
const restTime = 1_000;
/** So many lines of the log are told. */
const logLines = 10;

/** The copies of the program: the one that new connections go to and, as long as a reload lasts, another. */
export class Copies {
  serving: Copy;
  /** The one that starts, drains or is stopped. */
  other: Copy | null = null;
  /** The latest reload. */
  reloading: ReloadStatus | null = null;
  /** Resolves with the end of a program when there is none that new connections can go to. */
  readonly ended: Promise<Exit>;
  readonly #ended = Promise.withResolvers<Exit>();
  readonly #halt = new AbortController();
  readonly #halted: Promise<null>;

  constructor(
    first: Copy,
    readonly start: () => Copy,
    readonly relay: Relay,
    readonly settings: CopySettings,
  ) {
    this.ended = this.#ended.promise;
    this.#halted = new Promise((resolve) => this.#halt.signal.addEventListener("abort", () => resolve(null)));
    this.serving = first;
    this.#watch(first);
  }

  /** Leaves both copies as they are from now on: the daemon is about to end, and stops them. */
  halt(): void {
    this.#halt.abort();
  }

  /** Removes the folders. */
  remove(): void {
    this.serving.remove();
    this.other?.remove();
  }

  /**
   * Begins to replace the program by a new copy; `reloading` tells how that goes. Throws a UserError, the reason alone, where it cannot
   * be begun.
   */
  reload(): void {
    this.#refuseReload();
    const oldPid = this.serving.program?.process.pid ?? 0;
    const connections = { before: 0, left: 0, cut: 0 };
    const since = new Date().toISOString();
    const status: ReloadStatus = {
      phase: "starting",
      since,
      oldPid,
      newPid: null,
      connections,
      problem: null,
      log: [],
    };
    this.reloading = status;
    log.info(`reloading: starting another copy beside process ${oldPid}`);
    // Who asked has an answer first: macOS may look at a file that it has not run before for longer than an answer may take.
    setImmediate(() => void this.#replace(this.serving, status));
  }

  #refuseReload(): void {
    const refuse = (why: string) => {
      throw new UserError(why);
    };
    if (this.#isHalted()) refuse("the daemon is stopping; its next start runs the new version");
    const { program, targets } = this.serving;
    if (program === null)
      refuse("no program is run here (-); reload the server itself, or use --restart for the relay");
    const fixed = routesOf(this.settings).find(({ target }) => target !== null);
    if (fixed !== undefined) {
      const where = fixed.socket === null ? "its program" : `the program's socket ${fixed.socket}`;
      refuse(`${where} is reached at a fixed address, where two copies cannot be; use --restart`);
    }
    if (!["done", "failed"].includes(this.reloading?.phase ?? "done"))
      refuse("another reload is under way; wait for its end");
    if (targets.some((target) => target.isGone()))
      refuse("the folder of the program's socket was removed; use --restart");
    if (!this.serving.hasSockets)
      refuse("the program is still starting and has not made its socket; try again when it serves");
  }

  /** The whole of a reload. */
  async #replace(old: Copy, status: ReloadStatus): Promise<void> {
    if (this.#isHalted()) return;
    const tail = new LogTail();
    const fail = (problem: string) => {
      status.log = tail.lines(logLines);
      status.phase = "failed";
      status.problem = problem;
      log.error(`cannot reload: ${problem}`);
    };
    let copy: Copy;
    try {
      copy = this.start();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return fail(`${error.message}; process ${status.oldPid} goes on`);
    }
    this.other = copy;
    this.#watch(copy);
    status.newPid = copy.program?.process.pid ?? null;
    const newOne = `the new copy, process ${status.newPid},`;
    const problem = await this.#untilReady(copy);
    if (this.#isHalted()) return;
    if (problem !== null) {
      await this.#stop(copy);
      return fail(`${newOne} ${problem}; process ${status.oldPid} goes on`);
    }

    status.phase = "draining";
    this.#switchTo(copy);
    const before = this.relay.connectionsTo(old.targets).length;
    status.connections = { before, left: before, cut: 0 };
    log.info(`process ${status.newPid} has the new connections; process ${status.oldPid} keeps ${connections(before)}`);
    const quiet = await this.#drain(old, status);
    if (this.#isHalted()) return;
    if (this.serving === old) {
      const exit = await copy.ended;
      await this.#stop(copy);
      return fail(`${newOne} has ended: ${describeExit(exit)}; process ${status.oldPid} has the new connections again`);
    }

    const crashed = old.program?.crashed === true;
    // What it had yet to say is missing.
    if (crashed) this.relay.programCrashed(old.targets);
    status.phase = "stopping";
    status.connections.cut = crashed ? status.connections.left : this.#endAtRest(old, quiet);
    await this.#stop(old);
    if (this.#isHalted()) return;
    status.connections.left = 0;
    status.phase = "done";
    const { cut } = status.connections;
    log[cut > 0 ? "warn" : "info"](
      `reloaded: process ${status.oldPid} has ended; ${before - cut} of its connections finished, and ${cut} ${cut === 1 ? "was" : "were"} cut`,
    );
  }

  /** Resolves with null when the copy takes connections, or with why it does not. */
  async #untilReady({ ended, targets }: Copy): Promise<string | null> {
    const { connectTimeout: timeout, proxyProtocol } = this.settings;
    const giveUp = new AbortController();
    const hasEnded = ended.then((exit) => `has ended: ${describeExit(exit)}`);
    const ready = targets.map(({ address }) => untilReady(address, { timeout, proxyProtocol, signal: giveUp.signal }));
    const allReady = Promise.all(ready).then((problems) => {
      const problem = problems.find((problem) => problem !== null) ?? null;
      return problem && `does not serve: ${problem}`;
    });
    try {
      return await Promise.race([hasEnded, allReady, this.#halted]);
    } finally {
      giveUp.abort();
    }
  }

  /**
   * Waits until the old copy has no connection any more, for the time that it has for that, or until it serves again. Returns what had
   * moved on each that is left shortly before that time is over.
   */
  async #drain(old: Copy, { connections }: ReloadStatus): Promise<Map<Connection, number>> {
    const begun = performance.now();
    const deadline = begun + this.settings.drainTimeout;
    const moved = new Map<Connection, number>();
    const latest = new Array<number>(crashLooks).fill(connections.left);
    while (!this.#isHalted() && this.serving !== old && !old.program?.crashed) {
      const left = this.relay.connectionsTo(old.targets);
      latest.push(left.length);
      connections.left = latest.shift() ?? 0;
      const now = performance.now();
      if ((left.length === 0 && now >= begun + probation) || now >= deadline) break;
      if (moved.size === 0 && now >= deadline - restTime) for (const one of left) moved.set(one, one.moved);
      await Bun.sleep(look);
    }
    return moved;
  }

  /** Closes those of a copy's connections on which nobody waits for anything, and returns how many others there are. */
  #endAtRest(copy: Copy, moved: Map<Connection, number>): number {
    const busy = this.relay
      .connectionsTo(copy.targets)
      .filter((connection) => moved.get(connection) !== connection.moved || !connection.closeAtRest());
    return busy.length;
  }

  /** Has a copy end as in a stop, closes what is left of its connections, and forgets it. */
  async #stop(copy: Copy): Promise<void> {
    const deadline = performance.now() + this.settings.stopTimeout;
    await Promise.race([copy.program?.end("SIGTERM", deadline), this.#halted]);
    while (!this.#isHalted() && performance.now() < deadline) {
      if (this.relay.connectionsTo(copy.targets).length === 0) break;
      await Bun.sleep(look);
    }
    if (this.#isHalted()) return;
    // Processes that the program has left have them.
    for (const connection of this.relay.connectionsTo(copy.targets)) connection.close("stopped");
    copy.remove();
    this.other = null;
  }

  #switchTo(copy: Copy): void {
    [this.serving, this.other] = [copy, this.serving];
    this.relay.switchTo(copy.targets);
  }

  #isHalted(): boolean {
    return this.#halt.signal.aborted;
  }

  /** Has connections go back to the old copy if the new one ends while the old one drains; else the end is told. */
  #watch(copy: Copy): void {
    copy.ended.then((exit) => {
      if (this.#isHalted() || copy !== this.serving) return;
      const old = this.reloading?.phase === "draining" ? this.other : null;
      if (!old?.program?.running) return this.#ended.resolve(exit);
      this.#switchTo(old);
      if (hasFailed(exit)) this.relay.programCrashed(copy.targets);
    });
  }
}

function connections(count: number): string {
  return count === 1 ? "1 connection" : `${count} connections`;
}
