import { askStatus, NoAnswer } from "../../control/client.ts";
import { daemonsIn, folderOf, usersWithFolder } from "../../control/folder.ts";
import { UserError } from "../../errors.ts";

/** The process of the daemon that is meant: its id, or its name at launchd or systemd. Throws a UserError. */
export async function pidOf(subject: string, uid: number): Promise<number> {
  if (/^\d+$/.test(subject)) return Number(subject);
  const users = uid === 0 ? usersWithFolder() : [uid];
  for (const pid of users.flatMap((user) => daemonsIn(folderOf(user)))) {
    const status = await askStatus(pid).catch((error) => (error instanceof NoAnswer ? null : Promise.reject(error)));
    if (status !== null && [status.label, status.unit, status.unit?.replace(/\.service$/, "")].includes(subject))
      return pid;
  }
  const whose = uid === 0 ? "" : " as this user; use sudo for a daemon";
  throw new UserError(`cannot reload ${subject}: no launch_socket_server of that name runs here${whose}`);
}
