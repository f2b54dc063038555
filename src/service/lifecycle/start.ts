import { UserError } from "../../errors.ts";
import { own } from "../check/inspection.ts";
import { portProblems } from "../diagnosis/listeners.ts";
import { addressesAre, readJob } from "../launchd/addresses.ts";
import { startService } from "../launchd/loading.ts";
import type { Dictionary } from "../plist/value.ts";
import { beginRun, waitUntilSteady } from "./run.ts";
import type { Target } from "./target.ts";

/** What tells who listens, and whose it is asked for: root sees all. */
interface Tools {
  lsof: string;
  uid: number;
}

/**
 * Enables a service and has launchd load it; one that is kept running is waited for, one on demand is not started. Prints what it
 * waits for and what it found. Throws a UserError, also where another program has the port; launchd keeps the service then.
 */
export async function start(target: Target, tools: Tools, print: (text: string) => void): Promise<void> {
  const { label, loaded, file, path } = target;
  const job = file?.job ?? null;
  const refuse = (why: string): never => {
    throw new UserError(`cannot start ${label}: ${why}`);
  };
  if (loaded === null && file === null) refuse(`there is no ${path}`);
  const ports = (pid: number | null, isLoaded: boolean) =>
    portProblems(readJob(job).addresses, tools, { pid, loaded: isLoaded });
  let pid: number | null;
  try {
    await load(target, print);
    pid = loaded?.pid ?? ((loaded?.keepAlive ?? isKeptRunning(job)) ? await run(target, print) : null);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [problem] = await ports(null, false);
    return refuse(problem ?? `${error.message}; --status ${label} looks for the reason`);
  }
  const [problem] = await ports(pid, true);
  if (problem !== undefined) refuse(problem);
  if (pid === null) {
    const already = loaded === null ? "" : " already";
    print(`${label} is loaded${already}: ${addressesAre(job)} open, and the next connection starts it`);
  } else if (pid === loaded?.pid) {
    print(`${label} runs already (pid ${pid})`);
  } else {
    print(`${label} runs (pid ${pid}): ${addressesAre(job)} open`);
  }
}

async function load(
  { label, loaded, path, disabled, launchctl }: Target,
  print: (text: string) => void,
): Promise<void> {
  if (loaded === null) {
    print(`waiting for launchd to load ${path}`);
    await startService(launchctl, label, path);
  } else if (disabled) {
    const { status, text } = await launchctl.enable(label);
    if (status !== 0) throw new UserError(`launchd does not enable it (${text})`);
  }
  if (disabled) print(`${label} was disabled, and is enabled now`);
}

/** Waits for one that is kept running; one that was loaded and did not run is not left to its throttle. */
async function run(target: Target, print: (text: string) => void): Promise<number> {
  if (target.loaded !== null) await beginRun(target);
  print(`waiting for ${target.label} to run`);
  return waitUntilSteady(target, target.loaded?.runs ?? 0);
}

function isKeptRunning(job: Dictionary | null): boolean {
  if (job === null) return false;
  const keepAlive = own(job, "KeepAlive");
  return own(job, "RunAtLoad") === true || (keepAlive !== undefined && keepAlive !== false);
}
