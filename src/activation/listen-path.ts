import { existsSync, lstatSync, renameSync, type Stats, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { log } from "../log.ts";
import { type FileLock, isFileAt, lockFile } from "../system/file-lock.ts";
import { platform } from "../system/platform.ts";
import { encodeAddress } from "../system/sockaddr.ts";
import { bindListener, closeDescriptor, connectUnix, type PathClaim } from "../system/sockets.ts";

/** How often a connection to a path that was left over is refused before nobody counts as listening there. */
const refusals = 5;
/** Milliseconds from one to the next: so long a full queue is not (macOS refuses then too, uipc_usrreq.c), nor a server between bind and listen. */
const betweenTries = 200;

/**
 * Binds the path of a Unix socket and listens. Two processes never listen on one path: who listens holds a lock on the file
 * `PATH.lock` beside it. With the lock, a socket of this user's that nobody listens on any more is replaced: a process that
 * was killed has left it. Throws a UserError, also for anything else that is there.
 */
export async function listenOnPath(path: string, backlog: number): Promise<{ fd: number; claim: PathClaim }> {
  const lock = takeLock(path);
  try {
    const fd = await bindOrReplace(path, backlog);
    const file = lstatSync(path);
    const release = () => {
      // Somebody may have put a socket of his own there.
      if (isFileAt(path, file)) remove(path);
      lock.release();
    };
    return { fd, claim: { lock: lock.fd, release } };
  } catch (error) {
    lock.release();
    throw error instanceof UserError ? error : refusal(path, explain(error));
  }
}

function takeLock(path: string): FileLock {
  const file = `${path}.lock`;
  let lock: FileLock | null;
  try {
    lock = lockFile(file);
  } catch (error) {
    throw refusal(path, explainLock(file, error));
  }
  if (lock !== null) return lock;
  throw refusal(path, "a launch_socket_server listens there already; end it or choose another path");
}

async function bindOrReplace(path: string, backlog: number): Promise<number> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return bindListener({ kind: "unix", path }, backlog);
  refuseForeign(path, found);
  await refuseListening(path);
  log.info(`replacing ${path}, on which nobody listens any more`);
  return replace(path, found, backlog);
}

function refuseForeign(path: string, found: Stats): void {
  const advice = "remove it or choose another path";
  if (found.isSymbolicLink()) throw refusal(path, `it is a link; ${advice}`);
  if (!found.isSocket()) throw refusal(path, `the file is there already and is not a socket; ${advice}`);
  if (found.uid !== process.geteuid?.()) throw refusal(path, `the socket belongs to another user; ${advice}`);
}

async function refuseListening(path: string): Promise<void> {
  const name = encodeAddress({ kind: "unix", path }, platform);
  for (let tries = 1; ; tries++) {
    try {
      closeDescriptor(connectUnix(name));
    } catch (error) {
      const { code } = error as { code: string };
      // Somebody removed it: what was wanted.
      if (code === "ENOENT") return;
      if (code === "ECONNREFUSED") {
        if (tries === refusals) return;
        await Bun.sleep(betweenTries);
        continue;
      }
    }
    throw refusal(path, "a server listens there already; end it or choose another path");
  }
}

/** Puts a listening socket in the place of a dead one; clients find one of the two at any moment. */
function replace(path: string, dead: Stats, backlog: number): number {
  const { fd, beside } = bindBeside(path, backlog);
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found !== undefined && (found.dev !== dead.dev || found.ino !== dead.ino)) {
      throw refusal(path, "a server has bound it just now; end it or choose another path");
    }
    renameSync(beside, path);
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    remove(beside);
    throw error;
  }
}

/** Binds and listens in the same folder, under a random name as long as the path's own: a longer one might not fit into a `sun_path`. */
function bindBeside(path: string, backlog: number): { fd: number; beside: string } {
  const length = Buffer.byteLength(basename(path));
  for (let tries = 1; ; tries++) {
    const beside = join(dirname(path), randomName(length));
    try {
      return { fd: bindListener({ kind: "unix", path: beside }, backlog), beside };
    } catch (error) {
      // A name of one letter may well be in use.
      if ((error as { code: string }).code !== "EADDRINUSE" || tries === 100) throw error;
    }
  }
}

function randomName(length: number): string {
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from({ length }, () => letters[Math.floor(Math.random() * letters.length)]).join("");
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else removed it: what was wanted.
  }
}

function refusal(path: string, reason: string): UserError {
  return new UserError(`cannot listen on ${path}: ${reason}`);
}

function explain(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  switch (code) {
    case "EADDRINUSE":
      return "the file is there already; remove it if no server uses it, or choose another path";
    case "EACCES":
    case "EPERM":
      return "permission denied; choose a folder that this user may write to";
    case "ENOENT":
    case "ENOTDIR":
      return "its folder does not exist";
    default:
      return `error ${code ?? message}`;
  }
}

function explainLock(file: string, error: unknown): string {
  switch ((error as { code?: string }).code) {
    case "EPERM":
    case "ELOOP":
    case "EISDIR":
      return `its lock ${file} is not a plain file of this user's; remove it or choose another path`;
    case "EACCES":
      if (!existsSync(file)) return explain(error);
      return `its lock ${file} belongs to another user; remove it or choose another path`;
    default:
      return explain(error);
  }
}
