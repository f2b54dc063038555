import { UserError } from "../../errors.ts";
import { hasChanged } from "../launchd/changed.ts";
import type { Reach } from "../launchd/reach.ts";
import { servicesIn } from "../launchd/services.ts";

/** What to say where a service's property list has changed since launchd loaded it; null where it has not, or that cannot be told. */
export async function noteOnPlist(label: string, { domains, launchctlOf }: Reach): Promise<string | null> {
  const service = servicesIn(domains).find((service) => service.label === label);
  if (service === undefined) return null;
  const loaded = await launchctlOf(service.domain)
    .print(label)
    .catch((error) => (error instanceof UserError ? null : Promise.reject(error)));
  if (loaded === null || !hasChanged(loaded, service.job)) return null;
  return `${service.path} has changed since launchd loaded it: --stop and --start read it, --reload does not`;
}
