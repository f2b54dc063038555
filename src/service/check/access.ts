import { lstatSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { reasonOf } from "../../errors.ts";
import { ancestors, isWritableByOthers, sticky } from "../../system/permissions.ts";
import { type Platform, platform } from "../../system/platform.ts";
import type { Account } from "./machine.ts";

/** What somebody may want to do with a file or a folder, by its permission bits (stat(2)). */
const bits = { read: 0o4, write: 0o2, execute: 0o1 } as const;
/** MAXSYMLINKS of xnu's bsd/sys/param.h. */
const maxLinks = 32;

/** The file or folder that a path leads to; null when there is none or it is out of our own reach. */
export function stat(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

/** Whether a path is out of our own reach, so that nothing can be said of it. Root reaches everything. */
export function isHidden(path: string): boolean {
  try {
    statSync(path);
    return false;
  } catch (error) {
    return reasonOf(error) === "EACCES";
  }
}

/**
 * Whether this user may do that, by the permission bits of the file or folder and of the folders above it. Access control lists
 * are not looked at. False for a path that leads nowhere.
 */
export function may(account: Account, wish: keyof typeof bits, path: string): boolean {
  const found = stat(path);
  if (found === null) return false;
  const folders = ancestors(realpathSync(path));
  return permits(account, wish, found) && folders.every((folder) => permits(account, "execute", statSync(folder)));
}

/**
 * The first file, folder or link on the way to `path` that an ordinary user can change or replace, or null: what is
 * not root's, or is writable by everybody or by a group that is not the administrators'.
 */
export function changeable(path: string, system: Platform = platform, links = maxLinks): string | null {
  for (const step of [path, ...ancestors(path)].reverse()) {
    const found = lstat(step);
    if (found === null) return null;
    if (found.uid !== 0) return step;
    if (found.isSymbolicLink()) {
      const target = resolve(dirname(step), readlinkSync(step), relative(step, path));
      return links === 0 ? null : changeable(target, system, links - 1);
    }
    // In a sticky folder nobody can replace what is root's.
    const replaceable = !found.isDirectory() || (found.mode & sticky) === 0;
    if (replaceable && isWritableByOthers(found, system)) return step;
  }
  return null;
}

/** Whose home a path is in, where that is neither this user's nor root's; null otherwise. `homes` is the folder of the homes. */
export function foreignHome(path: string, { uid }: Account, homes: string): string | null {
  const [name = ""] = relative(homes, path).split("/");
  if (name === "" || name === ".." || name === "Shared" || uid === 0) return null;
  const owner = stat(resolve(homes, name))?.uid;
  return owner === undefined || owner === 0 || owner === uid ? null : name;
}

function permits({ uid, groups }: Account, wish: keyof typeof bits, { mode, uid: owner, gid }: Stats): boolean {
  const bit = bits[wish];
  // Root may do everything but run what nobody may run.
  if (uid === 0) return wish !== "execute" || (mode & 0o111) !== 0;
  if (owner === uid) return (mode & (bit << 6)) !== 0;
  if (groups.includes(gid)) return (mode & (bit << 3)) !== 0;
  return (mode & bit) !== 0;
}

function lstat(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}
