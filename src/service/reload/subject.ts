import { UserError } from "../../errors.ts";
import type { Caller } from "../caller/caller.ts";
import { hasChanged } from "../launchd/changed.ts";
import type { Reach } from "../launchd/reach.ts";
import { servicesIn } from "../launchd/services.ts";
import { daemonsOf } from "../status/daemons.ts";
import { servicesOf } from "../status/services.ts";
import { unitOf } from "../status/units.ts";

/**
 * The process of the daemon that is meant: its id, or its name at launchd or systemd, whose word on its process counts; a daemon's own
 * word only where they do not know the name, since any process can claim one. Throws a UserError.
 */
export async function pidOf(subject: string, caller: Caller): Promise<number> {
  if (/^\d+$/.test(subject)) return Number(subject);
  const failed = (why: string) => new UserError(`cannot reload ${subject}: ${why}`);
  const service = caller.jobsRunHere
    ? (await servicesOf(caller)).find(({ name }) => name === subject)
    : await unitOf(subject, caller);
  if (service?.pid != null) return service.pid;
  if (service != null)
    throw failed(`it does not run now (${service.problem ?? service.state}); --status ${subject} tells more`);
  const names = [subject, `${subject}.service`];
  const found = (await daemonsOf(caller.uid)).find(({ name }) => name !== null && names.includes(name));
  if (found?.pid != null) return found.pid;
  throw failed(
    `no launch_socket_server of that name runs here${caller.uid === 0 ? "" : " as this user; use sudo for a daemon"}`,
  );
}

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
