import { mkdtempSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { maxSocketPath } from "../address.ts";
import { reasonOf, UserError } from "../log.ts";

/** A socket path that nobody else can take. */
export interface PrivateSocketPath {
  path: string;
  /** Removes the folder with everything in it; may be called twice. */
  remove(): void;
}

/**
 * Makes a folder with mode 0700 and a random name (mkdtemp(3)) in `temporary`, or in /tmp where that is not set or too
 * long for a socket, and returns a path in it. Throws a UserError.
 */
export function makeSocketPath(temporary: string | undefined): PrivateSocketPath {
  const inFolder = (folder: string) => join(folder, "launch_socket_server.XXXXXX", "socket");
  const parent = temporary && Buffer.byteLength(inFolder(temporary)) <= maxSocketPath ? temporary : "/tmp";
  try {
    const folder = mkdtempSync(join(parent, "launch_socket_server."));
    return { path: join(folder, "socket"), remove: () => rmSync(folder, { recursive: true, force: true }) };
  } catch (error) {
    throw new UserError(
      `cannot make a folder for the program's socket in ${parent}: ${reasonOf(error)}; set TMPDIR to a folder that this user may write to`,
    );
  }
}

/** Why a fixed socket path is not safe, or undefined: in a folder that others may write to they can put a socket of their own in its place. */
export function socketPathDanger(path: string): string | undefined {
  const sticky = 0o1000;
  const others = 0o002;
  const folder = dirname(path);
  try {
    const { mode } = statSync(folder);
    if ((mode & others) === 0 || (mode & sticky) !== 0) return undefined;
    return `others may write to ${folder}, so they can put a socket of their own at ${path} and get its connections; chmod o-w ${folder}`;
  } catch {
    // A folder that is not there yet is the program's to make.
    return undefined;
  }
}
