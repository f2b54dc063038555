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
  const { label, loaded, file, path, disabled, launchctl } = target;
  const refuse = (why: string): never => {
    throw new UserError(`cannot start ${label}: ${why}`);
  };
  try {
    if (loaded === null) {
      if (file === null) return refuse(`there is no ${path}`);
      print(`waiting for launchd to load ${path}`);
      await startService(launchctl, label, path);
    } else if (disabled) {
      const { status, text } = await launchctl.enable(label);
      if (status !== 0) throw new UserError(`launchd does not enable it (${text})`);
    }
    if (disabled) print(`${label} was disabled, and is enabled now`);
    const job = file?.job ?? null;
    const already = loaded === null ? "" : " already";
    if (loaded?.pid != null) {
      print(`${label} runs already (pid ${loaded.pid})`);
    } else if (loaded?.keepAlive ?? isKeptRunning(job)) {
      // Loaded and not running: its throttle is not waited for.
      if (loaded !== null) await beginRun(target);
      print(`waiting for ${label} to run`);
      const pid = await waitUntilSteady(target, loaded?.runs ?? 0);
      await refuseTakenPort(target, tools, pid);
      print(`${label} runs (pid ${pid}): ${addressesAre(job)} open`);
    } else {
      await refuseTakenPort(target, tools, null);
      print(`${label} is loaded${already}: ${addressesAre(job)} open, and the next connection starts it`);
    }
  } catch (error) {
    if (!(error instanceof UserError) || error.message.startsWith("cannot start")) throw error;
    await refuseTakenPort(target, tools, null);
    refuse(`${error.message}; --status ${label} looks for the reason`);
  }
}

function isKeptRunning(job: Dictionary | null): boolean {
  if (job === null) return false;
  const keepAlive = own(job, "KeepAlive");
  return own(job, "RunAtLoad") === true || (keepAlive !== undefined && keepAlive !== false);
}

async function refuseTakenPort({ label, file }: Target, tools: Tools, pid: number | null): Promise<void> {
  const { addresses } = readJob(file?.job ?? null);
  const [problem] = await portProblems(addresses, tools, { pid, loaded: true });
  if (problem !== undefined) throw new UserError(`cannot start ${label}: ${problem}`);
}
