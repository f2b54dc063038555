import { lstatSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { type Platform, platform } from "./platform.ts";

/**
 * Whether an ordinary user who is not the owner may write to a file or folder, by its permission bits: everybody, or a group
 * that is not the administrators'. On macOS every local user is in `staff`.
 */
export function isWritableByOthers({ mode, gid }: Pick<Stats, "mode" | "gid">, system: Platform = platform): boolean {
  // macOS's wheel and admin (/etc/group there: 0 and 80); elsewhere root's group alone.
  const administrators = system === "macos" ? [0, 80] : [0];
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && !administrators.includes(gid));
}

/** In such a folder only its owner, and root, may rename or remove what is another's (sticky(7)). */
export const sticky = 0o1000;

/**
 * The first folder on the way to `folder`, or it itself, in which another user than root and `uid` may replace what lies there; null where
 * there is none. `folder` has its links resolved. Access control lists are not looked at. Throws the system's error.
 */
export function replaceableFolder(folder: string, uid: number, system: Platform = platform): string | null {
  for (const step of [folder, ...ancestors(folder)].reverse()) {
    const found = lstatSync(step);
    if (found.uid !== 0 && found.uid !== uid) return step;
    if ((found.mode & sticky) === 0 && isWritableByOthers(found, system)) return step;
  }
  return null;
}

/** The folders above a path, the nearest first. */
export function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...ancestors(parent)];
}
