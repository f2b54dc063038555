import { UserError } from "../../errors.ts";
import type { Caller } from "../caller/caller.ts";
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
