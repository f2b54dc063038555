import { UserError } from "../../errors.ts";
import { EALREADY, EINPROGRESS, EIO, ESRCH, type Launchctl } from "./launchctl.ts";
import { explainRefusal } from "./refusal.ts";

/** How often launchd is asked, in milliseconds. */
const interval = 100;
/**
 * launchd goes on refusing a label for a while after its service is gone: three or four seconds in reports
 * (tuist/tuist#10143, nteract/nteract#1187); the rest is a margin.
 */
const bootstrapPatience = 15_000;

/**
 * Stops a service and waits until launchd has forgotten it, for `patience` milliseconds. A service that is not there
 * is stopped already. Throws a UserError.
 */
export async function stopService(
  launchctl: Launchctl,
  label: string,
  patience: number,
  signal?: AbortSignal,
): Promise<void> {
  const { status, text } = await launchctl.bootout(label);
  if (![0, ESRCH, EINPROGRESS].includes(status)) {
    throw new UserError(`launchd does not stop it (${text || `launchctl bootout: exit status ${status}`})`);
  }
  const gone = await until(patience, async () => (await launchctl.print(label)) === null, signal);
  if (!gone) throw new UserError(`it has not ended after ${Math.round(patience / 1000)} s`);
}

/** Makes launchd load the plist, also if it has just forgotten a service of that label. Throws a UserError. */
export async function startService(
  launchctl: Launchctl,
  label: string,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  const enabled = await launchctl.enable(label);
  if (enabled.status !== 0) throw new UserError(`launchd does not enable it (${enabled.text})`);
  let outcome = await launchctl.bootstrap(path);
  await until(
    bootstrapPatience,
    async () => {
      if (![EIO, EINPROGRESS, EALREADY].includes(outcome.status)) return true;
      outcome = await launchctl.bootstrap(path);
      return outcome.status === 0;
    },
    signal,
  );
  if (outcome.status === 0) return;
  throw new UserError(explainRefusal(outcome));
}

/** Asks until it is so; false once `patience` milliseconds are over. Throws when aborted. */
export async function until(
  patience: number,
  condition: () => Promise<boolean>,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + patience;
  for (;;) {
    if (signal?.aborted) throw new UserError("it was interrupted");
    if (await condition()) return true;
    if (performance.now() > deadline) return false;
    await Bun.sleep(interval);
  }
}
