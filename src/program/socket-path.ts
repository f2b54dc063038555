import { mkdtempSync, realpathSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { maxSocketPath } from "../address.ts";
import { reasonOf, UserError } from "../errors.ts";
import { ancestors, isWritableByOthers, replaceableFolder, sticky } from "../system/permissions.ts";

/** Where everybody's temporary files go; sticky on both systems. */
const shared = "/tmp";

/** A folder for sockets in which nobody else can bind. */
export interface SocketFolder {
  /** The path of the socket of that name. */
  path(name: string): string;
  /** Whether the folder is missing, or another one has its name. */
  isGone(): boolean;
  /** Removes the folder with everything in it; may be called twice. What cannot be removed is told, and left. */
  remove(): void;
}

/**
 * Makes a folder with mode 0700 and a random name (mkdtemp(3)) in `temporary`, or in /tmp where that is not set, too long for
 * sockets of these names, or such that others could put a folder of theirs in its place; `tell` is told why it
 * is not taken, and later why the folder cannot be removed. Throws a UserError.
 */
export function makeSocketFolder(
  temporary: string | undefined,
  names: string[],
  tell: (line: string) => void,
): SocketFolder {
  const fits = (folder: string) =>
    names.every((name) => Buffer.byteLength(join(folder, "launch_socket_server.XXXXXX", name)) <= maxSocketPath);
  if (!fits(shared)) {
    throw new UserError(
      `cannot make a socket path of at most ${maxSocketPath} bytes: a socket's name is too long; shorten it`,
    );
  }
  const attempt = <T>(parent: string, action: () => T): T => {
    try {
      return action();
    } catch (error) {
      const why = `cannot make a folder for the program's socket in ${parent}: ${reasonOf(error)}`;
      throw new UserError(`${why}; set TMPDIR to a folder that this user may write to`);
    }
  };
  const choose = (wanted: string): string => {
    // A link on the way could lead elsewhere later: it is followed once, here.
    const parent = realpathSync(wanted);
    const weak = replaceableFolder(parent, process.geteuid?.() ?? 0);
    if (weak === null && fits(parent)) return parent;
    const why =
      weak === null
        ? `a socket's path there would be longer than ${maxSocketPath} bytes`
        : `others could replace a folder there, since ${weak} is theirs or they may write to it`;
    tell(`using ${shared} for the program's socket and not TMPDIR, which is ${wanted}: ${why}`);
    return shared;
  };
  const parent = temporary ? attempt(temporary, () => choose(temporary)) : shared;
  const folder = attempt(parent, () => mkdtempSync(join(parent, "launch_socket_server.")));
  const { dev, ino } = attempt(parent, () => statSync(folder));
  return {
    path: (name) => join(folder, name),
    isGone: () => {
      const now = statSync(folder, { throwIfNoEntry: false });
      return now?.dev !== dev || now.ino !== ino;
    },
    remove: () => {
      try {
        rmSync(folder, { recursive: true, force: true });
      } catch (error) {
        tell(`cannot remove ${folder}, where the program's socket was (${reasonOf(error)}); remove it`);
      }
    },
  };
}

/**
 * Why a fixed socket path is not safe and what to do, or undefined: where others may write to its folder they can put a socket
 * of their own at the path, in a sticky folder as long as the program has not, and get its connections; where they may write to a
 * folder above that, and it is not sticky, they can put a whole folder of theirs in its place.
 */
export function socketPathDanger(path: string): { why: string; fix: string } | undefined {
  const weak = sharedFolder(dirname(path));
  if (weak === undefined) return undefined;
  return {
    why: `others may write to ${weak}, so they can put a socket of their own at ${path} and get its connections`,
    fix: "choose a folder that only the program's user may write to, or leave the path out for a generated one",
  };
}

function sharedFolder(folder: string): string | undefined {
  try {
    if (isWritableByOthers(statSync(folder))) return folder;
    return ancestors(realpathSync(folder)).find((above) => {
      const found = statSync(above);
      return (found.mode & sticky) === 0 && isWritableByOthers(found);
    });
  } catch {
    // A folder that is not there yet is the program's to make.
    return undefined;
  }
}
