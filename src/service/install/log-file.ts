import { closeSync, constants, fchmodSync, fchownSync, lstatSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { reasonOf, UserError } from "../../errors.ts";
import type { Account } from "../check/machine.ts";

/** A log that is made for a job before it is loaded. */
export interface NewLog {
  path: string;
  /** A daemon's user, who may not make files in /Library/Logs; null for an agent's, whose user may. */
  user: string | null;
}

const mode = 0o640;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * Makes the log, empty and the user's own; for null only its folder. A regular file of that user is kept. launchd opens the path as
 * root would not: it follows links (launchd-842, src/core.c:5168), so that anything else there is refused with a UserError. Its group is the
 * folder's, as that of files which are made there by hand (open(2) of macOS): every user of a Mac is in the users' own, staff.
 */
export function makeLog(path: string, account: Account | null): void {
  const refuse = (why: string, fix: string): never => {
    throw new UserError(`cannot make the log ${path}: ${why}; ${fix}`);
  };
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (account === null) return;
    const fd = openSync(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
    try {
      fchownSync(fd, account.uid, statSync(dirname(path)).gid);
      fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (reasonOf(error) !== "EEXIST" || account === null) {
      refuse(reasonOf(error), "check that folder and disk can be written, or name another by --log");
    } else if (!isFileOf(path, account)) {
      refuse(`what is there is not a regular file of ${account.name}`, "move it away, or name another by --log");
    }
  }
}

/** The one command that does the same, for who installs a printed plist by hand; null where nothing has to be done. What is there is kept. */
export function logCommand({ path, user }: NewLog): string | null {
  if (user === null) return null;
  const file = shellWord(path);
  return `test -e ${file} || sudo install -m ${mode.toString(8)} -o ${shellWord(user)} /dev/null ${file}`;
}

function isFileOf(path: string, { uid }: Account): boolean {
  const found = lstatSync(path);
  return found.isFile() && found.uid === uid;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
