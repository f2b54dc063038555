import { closeSync, constants as files, fstatSync, openSync, type Stats, statSync, unlinkSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import { constants, errno, libc } from "./libc.ts";

/** A locked file. The lock holds as long as the descriptor, or one that a process inherited from it, is open (flock(2)). */
export interface FileLock {
  fd: number;
  /** Removes the file and gives the lock up; may be called twice. */
  release(): void;
}

/**
 * Locks a file of this user, which is made where it is missing; null where somebody else holds the lock. Does not wait. The
 * descriptor is closed on exec, as Bun opens all files. Throws an Error with a `code`: EPERM for a file that is not a plain
 * one of this user's.
 */
export function lockFile(path: string): FileLock | null {
  for (;;) {
    // Neither a link nor a FIFO that somebody left there leads elsewhere or blocks.
    const fd = openSync(path, files.O_RDWR | files.O_CREAT | files.O_NOFOLLOW | files.O_NONBLOCK, 0o600);
    try {
      const file = fstatSync(fd);
      if (!file.isFile() || file.uid !== process.geteuid?.()) {
        throw Object.assign(new Error("not a plain file of this user's"), { code: "EPERM" });
      }
      if (!lock(fd)) {
        closeSync(fd);
        return null;
      }
      // Who released it between our open and our lock has removed it: nobody else would find the file that we hold.
      if (isFileAt(path, file)) return { fd, release: releaseOnce(path, fd, file) };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
  }
}

/** Whether this is the file at the path; a link at its end is followed. */
export function isFileAt(path: string, { dev, ino }: Stats): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.dev === dev && found.ino === ino;
}

function lock(fd: number): boolean {
  if (libc.flock(fd, constants.LOCK_EX | constants.LOCK_NB) === 0) return true;
  const code = getSystemErrorName(-errno());
  // EWOULDBLOCK is EAGAIN's other name.
  if (code === "EAGAIN") return false;
  throw Object.assign(new Error("flock failed"), { code });
}

function releaseOnce(path: string, fd: number, file: Stats): () => void {
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    try {
      // While the lock is held: afterwards the file may be the next holder's.
      if (isFileAt(path, file)) unlinkSync(path);
    } catch {
      // The folder's owner has changed its permissions; a file that nobody holds does no harm.
    }
    closeSync(fd);
  };
}
