import { join } from "node:path";
import type { Caller } from "../caller/caller.ts";
import { type Machine, thisMachine } from "../check/machine.ts";
import { Launchctl } from "./launchctl.ts";

/**
 * Root's commands must not be found through a PATH that somebody else may have set. The constants are made when the
 * program is built; those of the tests have other values.
 */
export const launchctl = LAUNCHCTL;
/** What tells who listens, and what has been switched off in System Settings. */
export const lsof = LSOF;
export const sfltool = SFLTOOL;
const root = INSTALL_ROOT;

/** A domain of launchd, and where the property lists of its services are. */
export interface Domain {
  kind: "daemon" | "agent";
  folder: string;
  /** As launchctl(1) calls it: `system`, or `gui/UID`. */
  name: string;
}

/** The folder of the system's daemons. */
export const daemons = `${root}/Library/LaunchDaemons`;

/** The agents of every user. */
const sharedAgents = `${root}/Library/LaunchAgents`;

/**
 * Where the services that a caller may ask about are: the daemons, and the agents of the user; under sudo those of the user who said
 * it. No agents for root itself, who has no screen.
 */
export function domainsOf({ uid, home, environment }: Pick<Caller, "uid" | "home" | "environment">): Domain[] {
  const system = domainOf({ uid: 0, home });
  const user = uid === 0 ? Number(environment.SUDO_UID) : uid;
  if (!Number.isInteger(user) || user <= 0) return [system];
  const own = domainOf({ uid: user, home });
  return [system, own, { ...own, folder: sharedAgents }];
}

/** The domain that a user installs in. Root installs a daemon, which runs from the start of the machine; others an agent, which runs while they are logged in. */
export function domainOf({ uid, home }: Pick<Caller, "uid" | "home">): Domain {
  if (uid === 0) return { kind: "daemon", folder: daemons, name: "system" };
  return { kind: "agent", folder: join(home, "Library/LaunchAgents"), name: `gui/${uid}` };
}

/** What launchd is asked with; null where there is none. */
export function launchctlOf({ name }: Domain, { jobsRunHere }: Pick<Caller, "jobsRunHere">): Launchctl | null {
  return jobsRunHere ? new Launchctl(launchctl, name) : null;
}

/** Where the logs of daemons are. */
export const daemonLogs = `${root}/Library/Logs`;

/** This machine, with the folders that it has. */
export const machine: Machine = { ...thisMachine, daemons, homes: `${root}/Users` };
