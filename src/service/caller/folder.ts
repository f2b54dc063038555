import { UserError } from "../../errors.ts";
import { protectedFolder } from "../../system/privacy.ts";
import { foreignHome } from "../check/access.ts";
import type { Account } from "../check/machine.ts";

/**
 * Throws a UserError for a folder in which a job of this user could not work: one that macOS closes to background jobs, or in the
 * home of somebody else.
 */
export function refuseFolder(folder: string, user: Account | null, homes: string): void {
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
  const owner = user && foreignHome(folder, user, homes);
  if (user === null || owner === null) return;
  refuse(
    `it is in the home of ${owner}, and the program runs as ${user.name}`,
    `move the server, or add --user ${owner}`,
  );
}
