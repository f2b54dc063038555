/**
 * launchd's stand-in: plays launchd for end-to-end tests, from real property lists and with real sockets and processes.
 *
 *   await using launchd = new Launchd({ folder });
 *   const job = await launchd.load(`${folder}/com.example.server.plist`, { capture: true });
 *   const response = await fetch(`http://127.0.0.1:${job.port("Socket")}/`);
 *   await job.waitFor("a log line", async () => (await job.stderr()).includes("ready"));
 *   const exit = await job.unload(); // { code: 0, signal: null, … }
 *
 * The job finds its sockets through `launch_activate_socket` of `launchdLibrary`, unless `handover` says otherwise. Who is root can have low ports bound
 * and jobs run as other users. Sources: launchd.plist(5), and the last launchd whose source Apple published (842).
 */
import { join } from "node:path";
import { Job, type JobSettings } from "./job.ts";
import { type JobDescription, readJob } from "./plist.ts";

export type { Exit, Job } from "./job.ts";
export { launchdLibrary } from "./library.ts";
export type { Socket } from "./sockets.ts";

export interface LaunchdOptions extends Partial<JobSettings> {
  /** Where captured output goes: LABEL.stdout and LABEL.stderr. */
  folder: string;
  /** The folder that has /Library for a Mac program under macrun; empty for the system's own. */
  root?: string;
  /**
   * Whether an agent gets a port under 1024 on one address. No Mac has shown it yet, so that both are played; without one launchd-842 logs the
   * error and goes on without that socket (support/launchctl.c:1579).
   */
  agentsHaveLowPorts?: boolean;
}

/** Milliseconds: shorter than launchd's, so that nobody waits. */
const defaultThrottle = 100;
/** SOMAXCONN; see JobSettings. */
const defaultBacklog = 128;

/** Measured on macOS 26.6.1: 215 and 90 became 60 (NousResearch/hermes-agent, gateway/restart.py); that 0 stays never is a guess. */
const agentExitTimeout = (given: number) => (given === Number.POSITIVE_INFINITY ? given : Math.min(given, 60_000));

export class Launchd implements AsyncDisposable {
  readonly #folder: string;
  readonly #root: string;
  readonly #settings: JobSettings;
  readonly #agentsHaveLowPorts: boolean;
  readonly #jobs: Job[] = [];
  #timer: Timer | null = null;

  constructor({
    folder,
    throttle = defaultThrottle,
    backlog = defaultBacklog,
    handover = "launch_activate_socket",
    exitTimeout,
    root = "",
    takenAddress = "refuse",
    agentsHaveLowPorts = true,
  }: LaunchdOptions) {
    this.#agentsHaveLowPorts = agentsHaveLowPorts;
    this.#folder = folder;
    this.#root = root;
    this.#settings = { throttle, backlog, handover, exitTimeout, takenAddress };
  }

  #located(path: string | null): string | null {
    return path?.startsWith("/Library/") ? join(this.#root, path) : path;
  }

  /**
   * Reads a job's plist, binds its sockets and, with RunAtLoad or KeepAlive, starts it. With `capture`, output that the
   * plist sends nowhere is kept for `job.stdout()` and `job.stderr()`. An `agent`, a job of a gui domain, has an
   * ExitTimeOut of at most 60 s, and runs as the domain's `user` (launchd.plist(5): UserName is for the system domain). Throws if the plist or an address is no good.
   */
  async load(plist: string, { capture = false, agent = false, user = "" } = {}): Promise<Job> {
    const description = readJob(plist);
    if (agent) description.exitTimeout = agentExitTimeout(description.exitTimeout);
    if (agent && user !== "") description.user = user;
    if (agent && !this.#agentsHaveLowPorts) dropLowPorts(description.sockets);
    description.stdout = this.#located(description.stdout);
    description.stderr = this.#located(description.stderr);
    const { label } = description;
    if (this.#jobs.some((job) => job.label === label && job.state !== "unloaded")) {
      throw new Error(`${label} is loaded already`);
    }
    if (capture) {
      description.stdout ??= join(this.#folder, `${label}.stdout`);
      description.stderr ??= join(this.#folder, `${label}.stderr`);
    }
    const job = new Job(description, this.#settings);
    this.#jobs.push(job);
    this.#timer ??= setInterval(() => {
      for (const one of this.#jobs) one.tick();
    }, 5);
    return job;
  }

  /**
   * Unloads every job, killing what has not ended after 5 seconds and whatever is left of the jobs' process groups.
   * Afterwards all sockets are closed and Unix paths gone. May be called again.
   */
  async close(): Promise<void> {
    await Promise.all(
      this.#jobs.map(async (job) => {
        await job.unload(5000);
        await job.killAbandoned();
      }),
    );
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Takes out what only root may bind: a port under 1024 on one address (xnu, in_pcb.c), not on the wildcard one. */
function dropLowPorts(sockets: JobDescription["sockets"]): void {
  for (const [name, entries] of sockets) {
    const allowed = entries.filter(
      (entry) => entry.kind === "path" || Number(entry.service) >= 1024 || ["", "0.0.0.0", "::"].includes(entry.node),
    );
    sockets.set(name, allowed);
  }
}
