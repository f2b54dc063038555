import { relative, resolve, sep } from "node:path";
import { UserError } from "../../errors.ts";
import { protectedFolder } from "../../system/privacy.ts";
import { stat } from "../check/access.ts";

/**
 * Throws a UserError for a folder in which a job of this user could not work: one that macOS closes to background jobs, or in the
 * home of somebody else.
 */
export function refuseFolder(folder: string, user: { name: string; uid: number } | null, homes: string): void {
  const refuse = (why: string, fix: string) => {
    throw new UserError(`cannot make ${folder} the working folder: ${why}; ${fix}`);
  };
  const shut = protectedFolder(folder, homes);
  if (shut !== null) {
    refuse(
      `macOS keeps background jobs out of ${shut}`,
      "move the server to a folder such as ~/Sites, and call this there",
    );
  }
  const [name] = relative(homes, folder).split(sep);
  if (!name || name === ".." || name === "Shared" || user === null || user.uid === 0) return;
  const owner = stat(resolve(homes, name))?.uid;
  if (owner !== undefined && owner !== 0 && owner !== user.uid) {
    refuse(
      `it is in the home of ${name}, and the program runs as ${user.name}`,
      `move the server, or add --user ${name}`,
    );
  }
}
