import { formatAddress } from "../../address.ts";
import { askStatus, NoAnswer } from "../../control/client.ts";
import type { Status } from "../../control/protocol.ts";
import { UserError } from "../../errors.ts";
import type { Contact } from "../launchd/contacts.ts";
import type { Launchctl } from "../launchd/launchctl.ts";
import { until } from "../launchd/loading.ts";
import { Probes, type Sight } from "./probe.ts";

/** A guess: longer than most servers take to start, and than the throttle of 10 s. */
const upPatience = 15_000;
/** A server that runs for so long after its first connection is up: a guess. */
const steadyTime = 2_000;

/**
 * Waits until the service runs, and goes on running while a client is connected to each of its addresses; one without any is up as
 * soon as launchd has it. Returns what the clients saw, and what the daemon says of itself meanwhile. Throws a UserError that says how it
 * ended.
 */
export async function waitUntilUp(
  launchctl: Launchctl,
  label: string,
  contacts: Contact[],
  signal?: AbortSignal,
): Promise<{ sights: Sight[]; status: Status | null }> {
  if (contacts.length === 0) return { sights: [], status: null };
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
  if (up) return { sights: probes.sights, status: pid === null ? null : await statusOf(pid) };
  const { refused } = probes;
  throw new UserError(
    refused === undefined ? "it does not keep running" : `nothing listens at ${formatAddress(refused)}`,
  );
}

/** Null where the daemon cannot be asked: with --pass-sockets it has become the program. */
async function statusOf(pid: number): Promise<Status | null> {
  try {
    return await askStatus(pid);
  } catch (error) {
    if (error instanceof NoAnswer) return null;
    throw error;
  }
}
