import { formatAddress } from "../../address.ts";
import { UserError } from "../../errors.ts";
import { own } from "../check/inspection.ts";
import { findListeners, holderOf } from "../diagnosis/listeners.ts";
import { addressesAre, readJob } from "../launchd/addresses.ts";
import { startService } from "../launchd/loading.ts";
import type { Dictionary } from "../plist/value.ts";
import { beginRun, waitUntilSteady } from "./run.ts";
import type { Target } from "./target.ts";

/**
 * Enables a service and has launchd load it; one that is kept running is waited for, one on demand is not started. Prints what it
 * waits for and what it found. Throws a UserError, also where another program has the port; launchd keeps the service then.
 */
export async function start(target: Target, lsof: string, print: (text: string) => void): Promise<void> {
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
      await refuseHolder(target, lsof, pid);
      print(`${label} runs (pid ${pid}): ${addressesAre(job)} open`);
    } else {
      await refuseHolder(target, lsof, null);
      print(`${label} is loaded${already}: ${addressesAre(job)} open, and the next connection starts it`);
    }
  } catch (error) {
    if (!(error instanceof UserError) || error.message.startsWith("cannot start")) throw error;
    await refuseHolder(target, lsof, null);
    refuse(`${error.message}; --status ${label} looks for the reason`);
  }
}

function isKeptRunning(job: Dictionary | null): boolean {
  if (job === null) return false;
  const keepAlive = own(job, "KeepAlive");
  return own(job, "RunAtLoad") === true || (keepAlive !== undefined && keepAlive !== false);
}

/**
 * launchd loads a job whose port is taken without a word, and prints it as if all were well (measured: an app's record of decisions on
 * its hooks, "Claude Code hooks go through a helper", 2026).
 */
async function refuseHolder({ label, file }: Target, lsof: string, pid: number | null): Promise<void> {
  const { addresses } = readJob(file?.job ?? null);
  const listeners = addresses.length === 0 ? null : await findListeners(lsof);
  for (const address of addresses) {
    const holder = listeners && holderOf(address, listeners, pid);
    if (holder === null) continue;
    throw new UserError(
      `cannot start ${label}: ${formatAddress(address)} is held by ${holder.command} (pid ${holder.pid}); stop that, then --stop and --start this`,
    );
  }
}
