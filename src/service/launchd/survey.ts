import { UserError } from "../../errors.ts";
import type { Launchctl, ServiceState } from "./launchctl.ts";
import type { Reach } from "./reach.ts";
import { type Service, servicesIn } from "./services.ts";
import { hasFailed, type State, stateOf } from "./state.ts";
import { uptimeOf } from "./uptime.ts";

/** What launchd says of a service. */
export interface Standing {
  loaded: ServiceState | null;
  disabled: boolean;
  /** Null where launchd cannot be asked, for this reason. */
  state: State | null;
  problem: string | null;
}

/** Every service that runs this program, and how it stands with launchd: one call of launchctl for each, and one for each domain. */
export async function survey({ domains, launchctlOf }: Reach): Promise<(Service & Standing)[]> {
  const disabled = new Map<string, Promise<Set<string>>>();
  return Promise.all(
    servicesIn(domains).map(async (service) => {
      const { label, domain } = service;
      const launchctl = launchctlOf(domain);
      const labels = disabled.get(domain.name) ?? launchctl.disabledLabels();
      disabled.set(domain.name, labels);
      return { ...service, ...(await standingOf(label, launchctl, labels)) };
    }),
  );
}

/** How a label stands with launchd. */
export async function standingOf(
  label: string,
  launchctl: Launchctl,
  labels: Promise<Set<string>> = launchctl.disabledLabels(),
): Promise<Standing> {
  try {
    let loaded = await launchctl.print(label);
    let uptime = await uptimeAfterFailure(loaded);
    // Its process has ended since launchd named it: how it fares now, launchd knows better.
    if (uptime === null && loaded?.pid != null) {
      loaded = await launchctl.print(label);
      uptime = await uptimeAfterFailure(loaded);
    }
    const disabled = (await labels).has(label);
    return { loaded, disabled, state: stateOf(loaded, disabled, uptime), problem: null };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    await labels.catch(() => {});
    return { loaded: null, disabled: false, state: null, problem: error.message };
  }
}

/** For how long a process runs whose run before it failed; 0 for any other, which nothing hangs on. Null where it is gone. */
async function uptimeAfterFailure(loaded: ServiceState | null): Promise<number | null> {
  if (loaded?.pid == null || loaded.exit === null || !hasFailed(loaded.exit)) return 0;
  return uptimeOf(loaded.pid);
}
