import { existsSync } from "node:fs";
import { groupAlive, signalGroup } from "../processes.ts";
import { waitFor } from "../wait.ts";
import { type Ending, type Handover, readable, reap } from "./library.ts";
import type { JobDescription } from "./plist.ts";
import { bindSockets, closeSockets, type Socket, type Sockets } from "./sockets.ts";
import { type Identity, identify, startProcess } from "./start.ts";

/** A run of a job that is over. Times are milliseconds as `performance.now()` gives them. */
export interface Exit extends Ending {
  pid: number | null;
  started: number;
  ended: number;
  /** Why the program could not be started at all; the code is then 78, EX_CONFIG, as launchctl print tells it (jackielii/skhd.zig#30). */
  error: string | null;
}

type State =
  /** Not running; a waiting connection or `start()` starts it. */
  | { name: "waiting" }
  /** To be started at that time. */
  | { name: "throttled"; until: number }
  | { name: "running"; pid: number }
  | { name: "stopping"; pid: number; killAt: number; afterwards: "go on" | "unload" }
  | { name: "unloaded" };

export interface JobSettings {
  /**
   * Milliseconds between two starts, at least; launchd's own is 10,000 (launchd.plist(5), ThrottleInterval; `minimum
   * runtime = 10` of launchctl print). What a job that keeps ending has to wait beyond that is not played.
   */
  throttle: number;
  /** Milliseconds from SIGTERM to SIGKILL in place of the plist's ExitTimeOut. */
  exitTimeout?: number | undefined;
  /**
   * The length of the sockets' queues: launchd asks for the system's most (`listen(sfd, -1)`, launchd-842,
   * support/launchctl.c:1485), and that is 128 (kern.ipc.somaxconn; SOMAXCONN in xnu's bsd/sys/socket.h).
   */
  backlog: number;
  handover: Handover;
  /** What becomes of a job with an address that somebody else has: none, as most tests want it, or one without that socket. */
  takenAddress: "refuse" | "leave out";
}

/** A job that the stand-in has loaded; made by `Launchd.load`. */
export class Job {
  readonly label: string;
  /** The sockets of each name, bound from load to unload. */
  readonly sockets: ReadonlyMap<string, readonly Socket[]>;
  /** The runs that are over, the oldest first. */
  readonly exits: Exit[] = [];
  /** How many runs were begun. */
  starts = 0;

  readonly #description: JobDescription;
  readonly #settings: JobSettings;
  readonly #bound: Sockets;
  readonly #fds: Map<string, number[]>;
  readonly #identity: Identity;
  /** Process groups that outlived their job. */
  readonly #abandoned: number[] = [];
  #state: State = { name: "waiting" };
  #started = Number.NEGATIVE_INFINITY;

  constructor(description: JobDescription, settings: JobSettings) {
    this.label = description.label;
    this.#description = description;
    this.#settings = settings;
    this.#identity = identify(description);
    this.#bound = bindSockets(description.sockets, settings.backlog, settings.takenAddress);
    this.sockets = this.#bound;
    this.#fds = new Map([...this.#bound].map(([name, sockets]) => [name, sockets.map(({ fd }) => fd)]));
    if (description.runAtLoad) this.#start();
  }

  get state(): State["name"] {
    return this.#state.name;
  }

  /** Milliseconds from SIGTERM to SIGKILL. */
  get exitTimeout(): number {
    return this.#settings.exitTimeout ?? this.#description.exitTimeout;
  }

  /** The process that runs now. */
  get pid(): number | null {
    return "pid" in this.#state ? this.#state.pid : null;
  }

  /** The port of a TCP or UDP socket: the first of the first name, unless told otherwise. */
  port(name?: string, index = 0): number {
    const socket = (name === undefined ? [...this.sockets.values()][0] : this.sockets.get(name))?.[index];
    if (socket?.kind !== "address") throw new Error(`${this.label} has no port ${name ?? ""}[${index}]`);
    return socket.port;
  }

  /** What has been written to StandardOutPath, or to the file in its place (`capture`). */
  stdout(): Promise<string> {
    return this.#log(this.#description.stdout);
  }

  stderr(): Promise<string> {
    return this.#log(this.#description.stderr);
  }

  async #log(path: string | null): Promise<string> {
    if (path === null) throw new Error(`${this.label} writes to /dev/null: load it with { capture: true }`);
    return existsSync(path) ? await Bun.file(path).text() : "";
  }

  /**
   * Waits until a condition of the test's own holds and returns its value; the error after `timeout` ms tells how the
   * job fares.
   */
  waitFor<T>(what: string, condition: (job: this) => T | Promise<T>, timeout?: number): Promise<T> {
    const report = async () => {
      const stderr = this.#description.stderr === null ? "" : `\nstderr: ${(await this.stderr()).slice(-2000)}`;
      return `${what}; ${this.label} is ${this.state}, starts: ${this.starts}, exits: ${JSON.stringify(this.exits)}${stderr}`;
    };
    return waitFor(report, () => condition(this), timeout);
  }

  /** Starts the job now unless it runs, whatever the throttle says (launchctl(1), kickstart: "regardless of its configured launch conditions"). */
  kickstart(): void {
    if (this.#state.name === "waiting" || this.#state.name === "throttled") this.#start();
  }

  /** Starts the job if it is not running (`launchctl start`), not sooner than the throttle allows. */
  start(): void {
    if (this.#state.name === "waiting") this.#state = { name: "throttled", until: this.#soonest() };
  }

  /** Sends a signal to the job's process. */
  kill(signal: NodeJS.Signals): void {
    if (this.pid === null) throw new Error(`${this.label} is not running`);
    process.kill(this.pid, signal);
  }

  /**
   * Ends the run (`launchctl stop`): SIGTERM and, after ExitTimeOut, SIGKILL. The job stays loaded: KeepAlive or a
   * connection starts it again. Returns how the run ended; null if there was none.
   */
  async stop(): Promise<Exit | null> {
    const { length } = this.exits;
    if (!this.#terminate("go on", this.exitTimeout)) return null;
    await this.waitFor("the end of the run", () => this.exits.length > length, Number.POSITIVE_INFINITY);
    return this.exits[length] ?? null;
  }

  /**
   * Ends the run as `stop` does, for good (`launchctl unload`), and closes the sockets. `exitTimeout`, in milliseconds,
   * is the longest to wait before SIGKILL. Returns how the last run ended; null if there was none.
   */
  async unload(exitTimeout = Number.POSITIVE_INFINITY): Promise<Exit | null> {
    if (this.#state.name === "unloaded") return this.exits.at(-1) ?? null;
    if (!this.#terminate("unload", Math.min(exitTimeout, this.exitTimeout))) this.#unloaded();
    await this.waitFor("the end of the job", () => this.state === "unloaded", Number.POSITIVE_INFINITY);
    return this.exits.at(-1) ?? null;
  }

  /** Ends what outlived the job in its process group and ignored SIGTERM; launchd itself leaves that alone. */
  async killAbandoned(): Promise<void> {
    const gone = () => waitFor("the end of the group", () => !this.#abandoned.some(groupAlive), 1000).catch(() => {});
    await gone();
    for (const group of this.#abandoned) signalGroup(group, "SIGKILL");
    await gone();
  }

  /** Called by `Launchd` every few milliseconds: sees ends, waiting connections and times that are due. */
  tick(): void {
    const now = performance.now();
    const ending = this.pid === null ? null : reap(this.pid, this.#description.abandonProcessGroup);
    if (ending !== null) this.#ended({ ...ending, pid: this.pid, started: this.#started, ended: now, error: null });
    if (this.#state.name === "stopping" && now >= this.#state.killAt) {
      this.#state.killAt = Number.POSITIVE_INFINITY;
      // Its process alone: the group gets SIGTERM when that has ended (launchd-842, src/core.c:4003 and 3623).
      this.kill("SIGKILL");
    }
    if (this.#state.name === "waiting" && readable([...this.#fds.values()].flat())) this.start();
    if (this.#state.name === "throttled" && now >= this.#state.until) this.#start();
  }

  #soonest(): number {
    return this.#started + this.#settings.throttle;
  }

  /** False if there is no process to end. */
  #terminate(afterwards: "go on" | "unload", exitTimeout: number): boolean {
    const { pid } = this;
    if (pid === null) return false;
    if (this.#state.name === "running") process.kill(pid, "SIGTERM");
    const unloading = this.#state.name === "stopping" && this.#state.afterwards === "unload";
    const killAt = performance.now() + exitTimeout;
    this.#state = { name: "stopping", pid, killAt, afterwards: unloading ? "unload" : afterwards };
    return true;
  }

  #start(): void {
    this.starts++;
    this.#started = performance.now();
    try {
      const pid = startProcess(this.#description, this.#identity, this.#fds, this.#settings.handover);
      this.#state = { name: "running", pid };
    } catch (error) {
      const now = performance.now();
      const message = error instanceof Error ? error.message : String(error);
      this.#ended({ code: 78, signal: null, pid: null, started: this.#started, ended: now, error: message });
    }
  }

  #ended(exit: Exit): void {
    this.exits.push(exit);
    if (exit.pid !== null && groupAlive(exit.pid)) this.#abandoned.push(exit.pid);
    if (this.#state.name === "stopping" && this.#state.afterwards === "unload") {
      this.#unloaded();
      return;
    }
    const { keepAlive } = this.#description;
    const again = typeof keepAlive === "boolean" ? keepAlive : keepAlive.successfulExit === (exit.code === 0);
    this.#state = again ? { name: "throttled", until: this.#soonest() } : { name: "waiting" };
  }

  #unloaded(): void {
    this.#state = { name: "unloaded" };
    closeSockets(this.#bound);
  }
}
