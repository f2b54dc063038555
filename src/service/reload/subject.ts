import { statSync } from "node:fs";
import { UserError } from "../../errors.ts";
import type { Caller } from "../caller/caller.ts";
import type { Domain } from "../launchd/domain.ts";
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

/** What to say where a service's property list was written after its process had started; null where it was not, or is not known. */
export function noteOnPlist(label: string, since: string, domains: Domain[]): string | null {
  const path = servicesIn(domains).find((service) => service.label === label)?.path;
  const written = path && statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  if (!written || written <= Date.parse(since)) return null;
  return `${path} was written after the start of the service, which knows nothing of that: --stop and --start take over what has changed there`;
}
