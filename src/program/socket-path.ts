import { mkdtempSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { maxSocketPath } from "../address.ts";
import { reasonOf, UserError } from "../errors.ts";
import { isWritableByOthers } from "../system/permissions.ts";

/** A folder for sockets in which nobody else can bind. */
export interface SocketFolder {
  /** The path of the socket of that name. */
  path(name: string): string;
  /** Whether the folder is missing, or another one has its name. */
  isGone(): boolean;
  /** Removes the folder with everything in it; may be called twice. */
  remove(): void;
}

/**
 * Makes a folder with mode 0700 and a random name (mkdtemp(3)) in `temporary`, or in /tmp where that is not set or too
 * long for sockets of these names. Throws a UserError.
 */
export function makeSocketFolder(temporary: string | undefined, names: string[]): SocketFolder {
  const fits = (folder: string) =>
    names.every((name) => Buffer.byteLength(join(folder, "launch_socket_server.XXXXXX", name)) <= maxSocketPath);
  const parent = temporary && fits(temporary) ? temporary : "/tmp";
  if (!fits(parent)) {
    throw new UserError(
      `cannot make a socket path of at most ${maxSocketPath} bytes: a socket's name is too long; shorten it`,
    );
  }
  try {
    const folder = mkdtempSync(join(parent, "launch_socket_server."));
    const { dev, ino } = statSync(folder);
    return {
      path: (name) => join(folder, name),
      isGone: () => {
        const now = statSync(folder, { throwIfNoEntry: false });
        return now?.dev !== dev || now.ino !== ino;
      },
      remove: () => rmSync(folder, { recursive: true, force: true }),
    };
  } catch (error) {
    throw new UserError(
      `cannot make a folder for the program's socket in ${parent}: ${reasonOf(error)}; set TMPDIR to a folder that this user may write to`,
    );
  }
}

/**
 * Why a fixed socket path is not safe and what to do, or undefined: where others may write to its folder they can put a socket
 * of their own at the path, in a sticky folder as long as the program has not, and get its connections.
 */
export function socketPathDanger(path: string): { why: string; fix: string } | undefined {
  const folder = dirname(path);
  try {
    if (!isWritableByOthers(statSync(folder))) return undefined;
  } catch {
    // A folder that is not there yet is the program's to make.
    return undefined;
  }
  return {
    why: `others may write to ${folder}, so they can put a socket of their own at ${path} and get its connections`,
    fix: "choose a folder that only the program's user may write to, or leave the path out for a generated one",
  };
}
