import {
  lchownSync,
  linkSync,
  readdirSync,
  readlinkSync,
  renameSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { reasonOf, UserError } from "../../errors.ts";
import { isUnchanged } from "../launchd/installed.ts";

/** What lay at a path, held under a second name beside it while something else may take the first. */
export interface KeptFile {
  readonly name: string;
  /** Gives it its path back, whatever is there. Throws a UserError. */
  restore(): void;
  /** Removes the second name. */
  discard(): void;
}

/**
 * Gives what lies at the path, and was looked at, a second name: the same file, with owner, mode and all, or a link to
 * the same target. With `replaced` that is PATH.replaced, PATH.replaced.2 and so on, never one that is taken: a name
 * that does not end in .plist is none that launchd loads (launchd-842, support/launchctl.c:1289). Else it is hidden.
 * Throws a UserError, also where the file is another by now.
 */
export function keepFile(path: string, stats: Stats, { replaced }: { replaced: boolean }): KeptFile {
  const attempt = (what: string, action: () => void) => {
    try {
      action();
    } catch (error) {
      throw new UserError(`cannot ${what}: ${reasonOf(error)}; move ${path} away`);
    }
  };
  const hidden = join(dirname(path), `.${basename(path)}.${crypto.randomUUID().slice(0, 8)}`);
  let name = replaced ? replacedName(path) : hidden;
  attempt(`keep ${path} as ${name}`, () => {
    for (;;) {
      try {
        secondName(path, stats, name);
        return;
      } catch (error) {
        if (!replaced || reasonOf(error) !== "EEXIST") throw error;
        name = replacedName(path);
      }
    }
  });
  if (!isUnchanged(path, stats)) {
    unlinkSync(name);
    throw new UserError(`${path} has changed meanwhile; look at it, and try again`);
  }
  return {
    name,
    restore: () => attempt(`give ${name} its name back`, () => renameSync(name, path)),
    discard: () => attempt(`remove ${name}`, () => unlinkSync(name)),
  };
}

/** The first of the names for what has been replaced that is free. */
export function replacedName(path: string): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? `${path}.replaced` : `${path}.replaced.${number}`;
    if (isUnchanged(name, undefined)) return name;
  }
}

/** What --replace has kept beside a path, the oldest first. */
export function replacedFiles(path: string): string[] {
  try {
    const prefix = `${basename(path)}.replaced`;
    return readdirSync(dirname(path))
      .filter((name) => name.startsWith(prefix) && /^(\.\d+)?$/.test(name.slice(prefix.length)))
      .sort((one, other) => one.length - other.length || (one < other ? -1 : 1))
      .map((name) => join(dirname(path), name));
  } catch {
    return [];
  }
}

/** Fails with EEXIST where the name is taken; link(2) would follow a link on macOS. */
function secondName(path: string, stats: Stats, name: string): void {
  if (!stats.isSymbolicLink()) {
    linkSync(path, name);
    return;
  }
  symlinkSync(readlinkSync(path), name);
  // Anybody else's links are their own.
  if (process.geteuid?.() === 0) lchownSync(name, stats.uid, stats.gid);
}
