import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Root's commands must not be found through a PATH that somebody else may have set. Both constants are made when the
 * program is built; those of the tests have other values.
 */
export const launchctl = LAUNCHCTL;
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

/** The domain that a user installs in. Root installs a daemon, which runs from the start of the machine; others an agent, which runs while they are logged in. */
export function domainOf(uid: number): Domain {
  if (uid === 0) return { kind: "daemon", folder: daemons, name: "system" };
  // Of itself homedir() knows the account's folder alone: the Bun inside looks no variable up (scripts/deaf-runtime.ts).
  const home = process.env.HOME || homedir();
  return { kind: "agent", folder: join(home, "Library/LaunchAgents"), name: `gui/${uid}` };
}
