import { formatAddress } from "../../address.ts";
import { UserError } from "../../errors.ts";
import { EALREADY, EINPROGRESS, EIO, ESRCH, type Launchctl } from "./launchctl.ts";
import { type Contact, Probes, type Sight } from "./probe.ts";
import { explainRefusal } from "./refusal.ts";

/** How often launchd is asked, in milliseconds. */
const interval = 100;
/**
 * launchd goes on refusing a label for a while after its service is gone: three or four seconds in reports
 * (tuist/tuist#10143, nteract/nteract#1187); the rest is a margin.
 */
const bootstrapPatience = 15_000;
/** A guess: longer than most servers take to start, and than the throttle of 10 s. */
const upPatience = 15_000;
/**
 * A server that runs for so long after its first connection is up: a guess, and longer than the time after which the log says that the
 * program does not listen yet (a second, proxy/outage.ts).
 */
const steadyTime = 2_000;

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

/**
 * Waits until the service runs, and goes on running while a client is connected to each of its addresses; one without any is up as
 * soon as launchd has it. Returns what the clients saw. Throws a UserError that says how it ended.
 */
export async function waitUntilUp(
  launchctl: Launchctl,
  label: string,
  contacts: Contact[],
  signal?: AbortSignal,
): Promise<Sight[]> {
  if (contacts.length === 0) return [];
  using probes = new Probes(contacts);
  let pid: number | null = null;
  let since = 0;
  const up = await until(
    upPatience,
    async () => {
      const state = await launchctl.print(label);
      if (state === null) throw new UserError("launchd has dropped it");
      if (state.pid === null && state.lastEnd !== null) throw new UserError(`it ended ${state.lastEnd}`);
      if (state.pid !== pid || probes.refused !== undefined) since = performance.now();
      pid = state.pid;
      return pid !== null && performance.now() - since >= steadyTime;
    },
    signal,
  );
  if (up) return probes.sights;
  const { refused } = probes;
  throw new UserError(
    refused === undefined ? "it does not keep running" : `nothing listens at ${formatAddress(refused)}`,
  );
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
