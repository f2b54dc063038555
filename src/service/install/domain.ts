import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Root's commands must not be found through a PATH that somebody else may have set. Both constants are made when the
 * program is built; those of the tests have other values.
 */
export const launchctl = LAUNCHCTL;
const root = INSTALL_ROOT;

/** Where a service is installed, and the domain that launchctl(1) knows it in. */
export interface Place {
  kind: "daemon" | "agent";
  folder: string;
  domain: string;
}

/** The folder of the system's daemons. */
export const daemons = `${root}/Library/LaunchDaemons`;

/** Root installs a daemon, which runs from the start of the machine; others an agent, which runs while they are logged in. */
export function placeFor(uid: number): Place {
  if (uid === 0) return { kind: "daemon", folder: daemons, domain: "system" };
  return { kind: "agent", folder: join(homedir(), "Library/LaunchAgents"), domain: `gui/${uid}` };
}
