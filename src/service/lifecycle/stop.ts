import { UserError } from "../../errors.ts";
import { own } from "../check/inspection.ts";
import { addressesAre } from "../launchd/addresses.ts";
import { exitTimeout, stopPatience } from "../launchd/installed.ts";
import { stopService } from "../launchd/loading.ts";
import { endRun } from "./run.ts";
import type { Target } from "./target.ts";

/**
 * Boots a service out, whatever kind it is: one that is kept running would come back at once, and one on demand with the next
 * connection. Waits until launchd has forgotten it, and prints what it waits for and what came of it. Throws a UserError.
 */
export async function stop(target: Target, print: (text: string) => void): Promise<void> {
  const { label, loaded, file, launchctl } = target;
  const job = file?.job ?? null;
  const until = `until ${returnOf(target)}`;
  if (loaded === null) {
    print(`${label} is stopped already: ${addressesAre(job)} closed ${until}`);
    return;
  }
  const patience = stopPatience(loaded, job);
  if (loaded.pid !== null) print(waiting(label, loaded.pid, Math.round(patience / 1000)));
  try {
    await stopService(launchctl, label, patience);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`cannot stop ${label}: ${error.message}`) : error;
  }
  print(`${label} is stopped: ${addressesAre(job)} closed ${until}`);
}

/**
 * Ends only the process of a service that is started on demand: launchd keeps its port, and the next connection starts it. Prints
 * what it waits for and what came of it. Throws a UserError, also for a service that launchd would start again at once.
 */
export async function stopIdle(target: Target, print: (text: string) => void): Promise<void> {
  const { label, loaded, file } = target;
  const job = file?.job ?? null;
  const refuse = (why: string) => {
    throw new UserError(`cannot stop ${label} with --idle: ${why}`);
  };
  if (loaded === null) return refuse("launchd has not loaded it, so its port is closed; --start opens it");
  // What launchd has loaded counts, whatever the file says now.
  if (loaded.keepAlive ?? (job !== null && own(job, "KeepAlive") === true)) {
    return refuse(
      "launchd keeps it running (KeepAlive) and would start it again at once; use --restart, or --stop alone",
    );
  }
  const open = `${addressesAre(job)} open, and the next connection starts it`;
  if (loaded.pid === null) {
    print(`${label} does not run: ${open}`);
    return;
  }
  const seconds = exitTimeout(loaded, job);
  print(waiting(label, loaded.pid, seconds));
  const after = await endRun(target, loaded.pid, seconds).catch((error) =>
    error instanceof UserError ? refuse(error.message) : Promise.reject(error),
  );
  print(
    after.pid === null
      ? `${label} has ended: ${open}`
      : `${label} has ended, and a connection has started it again (pid ${after.pid})`,
  );
}

export function waiting(label: string, pid: number, seconds: number): string {
  return `waiting for ${label} (pid ${pid}) to end, for ${seconds} s at most`;
}

/** What opens its port again. */
function returnOf({ domain, file, disabled }: Target): string {
  if (file === null) return "its property list is there again and --start loads it";
  if (disabled) return "--start";
  return domain.kind === "daemon" ? "--start or the next start of the Mac" : "--start or the next login";
}
