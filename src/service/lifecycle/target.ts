import { UserError } from "../../errors.ts";
import type { Domain } from "../launchd/domain.ts";
import { type Installed, lookAt } from "../launchd/installed.ts";
import type { Launchctl } from "../launchd/launchctl.ts";
import { foreign } from "../launchd/ownership.ts";
import type { Reach } from "../launchd/reach.ts";
import { servicesIn } from "../launchd/services.ts";

/** A service of ours, as launchd and the disk have it. */
export interface Target extends Installed {
  domain: Domain;
  launchctl: Launchctl;
}

/**
 * Finds the service that a command is to change: among the daemons for root, the user's agents for others. Throws a UserError for
 * one that is not there, is somebody else's, or is not the caller's to change; `verb` completes "cannot …".
 */
export async function findTarget(verb: string, label: string, reach: Reach): Promise<Target> {
  const refuse = (why: string): never => {
    throw new UserError(`cannot ${verb} ${label}: ${why}`);
  };
  const kind = reach.uid === 0 ? "daemon" : "agent";
  const mine = reach.domains.filter((domain) => domain.kind === kind);
  const known = servicesIn(mine).find((service) => service.label === label);
  const domain = known?.domain ?? mine[0] ?? refuse("there is no domain of launchd for this user");
  // Said before launchd is asked, which has no domain for a user who is not logged in at the screen.
  const others = reach.domains.filter((domain) => domain.kind !== kind);
  if (known === undefined && servicesIn(others).some((service) => service.label === label)) {
    if (kind === "agent") refuse(`it is a daemon, which belongs to root: sudo launch_socket_server --${verb} ${label}`);
    refuse("it is an agent, which belongs to its user: run this without sudo");
  }
  const launchctl = reach.launchctlOf(domain);
  const found = await lookAt(label, domain, launchctl, known?.path).catch((error) =>
    error instanceof UserError ? refuse(error.message) : Promise.reject(error),
  );
  if (found.loaded === null && found.file === null) {
    refuse("there is no such service; --status lists those of this program");
  }
  const theirs = foreign(found);
  if (theirs !== null) refuse(`${theirs.why}; it is left alone`);
  return { ...found, domain, launchctl };
}
