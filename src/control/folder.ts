import { lstatSync, mkdirSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { reasonOf } from "../errors.ts";
import { platform } from "../system/platform.ts";
import { isAlive } from "../system/process.ts";
import { encodeAddress } from "../system/sockaddr.ts";
import { closeDescriptor, connectUnix } from "../system/sockets.ts";

/**
 * Where daemons can be asked: one folder for each user, in the same place for everybody, whatever TMPDIR says. /tmp is sticky on
 * both systems, so that nobody can rename or remove what another user has made there; who makes the folder first has it.
 */
const shared = "/tmp";
const prefix = "launch_socket_server-";

/** The folder of a user's daemons; 46 bytes at most, with the socket, of the 103 that macOS takes. */
export function folderOf(uid: number, parent = shared): string {
  return join(parent, `${prefix}${uid}`);
}

/** Where the daemon of that process is asked. */
export function socketIn(folder: string, pid: number): string {
  return join(folder, `${pid}.sock`);
}

/**
 * Why a folder is not one that only `uid` can have put there and only `uid` can write to, as the end of a sentence; null where it is.
 * Links are not followed.
 */
export function folderProblem(folder: string, uid: number): string | null {
  try {
    const found = lstatSync(folder);
    if (found.isSymbolicLink()) return `${folder} is a link; remove it`;
    if (!found.isDirectory()) return `${folder} is not a folder; remove it`;
    if (found.uid !== uid) return `${folder} belongs to another user; have it removed`;
    if ((found.mode & 0o777) !== 0o700) return `${folder} does not have mode 0700; correct that, or remove it`;
    return null;
  } catch (error) {
    return `${folder} cannot be looked at (${reasonOf(error)})`;
  }
}

/** Makes this user's folder where it is missing. Returns why it cannot be used, as the end of a sentence, or null. */
export function makeFolder(folder: string, uid: number): string | null {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const reason = reasonOf(error);
    if (reason !== "EEXIST") return `${folder} cannot be made (${reason})`;
  }
  // Also of a folder that was made just now: the umask may have taken some of its mode.
  return folderProblem(folder, uid);
}

/** Removes what daemons that are dead have left: those that were killed could not. */
export function removeStale(folder: string): void {
  for (const pid of daemonsIn(folder)) if (!isAlive(pid)) removeDead(socketIn(folder, pid));
}

/** Removes a socket on which nobody listens. Where containers share /tmp, a process that there is not here may do so. */
export function removeDead(path: string): void {
  try {
    closeDescriptor(connectUnix(encodeAddress({ kind: "unix", path }, platform)));
  } catch (error) {
    // A full queue, which is ECONNREFUSED on macOS, where there are no such containers.
    if (reasonOf(error) !== "EAGAIN") removeSocket(path);
  }
}

/** Removes a socket of this user's, if it is there. */
export function removeSocket(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else removed it, or it cannot be; a path on which nobody listens does no harm.
  }
}

/** The process ids that a folder has sockets of, in order; none where it cannot be read. */
export function daemonsIn(folder: string): number[] {
  return names(folder)
    .flatMap((name) => /^([1-9]\d{0,9})\.sock$/.exec(name)?.slice(1) ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** The users that have a folder. */
export function usersWithFolder(parent = shared): number[] {
  return names(parent)
    .flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []))
    .filter((uid) => /^(0|[1-9]\d{0,9})$/.test(uid))
    .map(Number);
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
