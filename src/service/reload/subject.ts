import { UserError } from "../../errors.ts";
import type { Caller } from "../caller/caller.ts";
import { hasChanged } from "../launchd/changed.ts";
import type { Reach } from "../launchd/reach.ts";
import { servicesIn } from "../launchd/services.ts";
import { daemonsOf } from "../status/daemons.ts";

/** The process of the daemon that is meant: its id, or its name at launchd or systemd. Throws a UserError. */
export async function pidOf(subject: string, { uid }: Caller): Promise<number> {
  if (/^\d+$/.test(subject)) return Number(subject);
  const names = [subject, `${subject}.service`];
  const found = (await daemonsOf(uid)).find(({ name }) => name !== null && names.includes(name));
  if (found?.pid != null) return found.pid;
  const whose = uid === 0 ? "" : " as this user; use sudo for a daemon";
  throw new UserError(`cannot reload ${subject}: no launch_socket_server of that name runs here${whose}`);
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
