import { UserError } from "../../errors.ts";
import { EALREADY, ESRCH, type ServiceState } from "../launchd/launchctl.ts";
import { until } from "../launchd/loading.ts";
import type { Target } from "./target.ts";

/** How much longer than ExitTimeOut an end may take to be seen, in milliseconds. */
const grace = 2_000;
/** A guess: longer than most servers take to start, and than the throttle of 10 s. */
const upPatience = 15_000;
/** A service that runs for so long, in milliseconds, is up: a guess, as for one that is installed (install/up.ts). */
const steadyTime = 2_000;

/**
 * Asks the process to end by SIGTERM, which leaves its sockets with launchd, and waits for `seconds`; launchd itself sends no SIGKILL
 * after this. Returns the state after it, where another process may run already. Throws a UserError that says what the service does now.
 */
export async function endRun({ launchctl, label }: Target, pid: number, seconds: number): Promise<ServiceState> {
  const { status, text } = await launchctl.kill("SIGTERM", label);
  if (![0, ESRCH].includes(status)) {
    throw new UserError(`launchd does not signal it (${text || `launchctl kill: exit status ${status}`})`);
  }
  let after: ServiceState | null = null;
  const ended = await until(seconds * 1000 + grace, async () => {
    after = await launchctl.print(label);
    if (after === null) throw new UserError("launchd has dropped it");
    return after.pid !== pid;
  });
  if (ended && after !== null) return after;
  throw new UserError(
    `it has not ended ${seconds} s after SIGTERM, takes no new clients, and goes on with those it has; launchctl kill SIGKILL ${launchctl.domain}/${label} ends it at once`,
  );
}

/** Has launchd start the service at once, unless it has already: it is kept running, or a client waits. Throws a UserError. */
export async function beginRun({ launchctl, label }: Target): Promise<void> {
  const { status, text } = await launchctl.kickstart(label);
  if ([0, EALREADY].includes(status)) return;
  throw new UserError(`launchd does not start it (${text || `launchctl kickstart: exit status ${status}`})`);
}

/**
 * Waits until the service goes on running, and returns its pid. `runs` is how many runs were begun before: one that has ended since
 * is a failure. Throws a UserError that says how it ended.
 */
export async function waitUntilSteady({ launchctl, label }: Target, runs: number | null): Promise<number> {
  let pid: number | null = null;
  let since = 0;
  const up = await until(upPatience, async () => {
    const state = await launchctl.print(label);
    if (state === null) throw new UserError("launchd has dropped it");
    const begun = pid !== null || (state.runs ?? 0) > (runs ?? 0);
    if (state.pid === null && begun && state.lastEnd !== null) throw new UserError(`it ended ${state.lastEnd}`);
    if (state.pid !== pid) since = performance.now();
    pid = state.pid;
    return pid !== null && performance.now() - since >= steadyTime;
  });
  if (!up || pid === null) throw new UserError("it does not keep running");
  return pid;
}
