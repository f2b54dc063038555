import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { reasonOf, UserError } from "../../errors.ts";

/** A file that lies beside its place, complete, and takes it in one step or not at all. */
export interface StagedFile {
  readonly committed: boolean;
  /** Takes the place, whatever is there. Throws a UserError. */
  commit(): void;
  /** Removes it unless it has been committed; may be called twice. */
  discard(): void;
}

/**
 * Writes the bytes beside `path`, with exactly that mode and, unless null, that owner. The folder is made if it is not
 * there. Throws a UserError.
 */
export function stageFile(
  path: string,
  bytes: Uint8Array,
  owner: { uid: number; gid: number } | null,
  mode = 0o644,
): StagedFile {
  // launchd passes over names that begin with a dot, should the machine stop right now.
  const temporary = join(dirname(path), `.${basename(path)}.${crypto.randomUUID().slice(0, 8)}`);
  const discard = () => {
    try {
      unlinkSync(temporary);
    } catch {
      // It was never made, or is in its place.
    }
  };
  const attempt = (action: () => void) => {
    try {
      action();
    } catch (error) {
      discard();
      throw new UserError(`cannot write ${path}: ${reasonOf(error)}; check that folder and disk can be written`);
    }
  };
  attempt(() => {
    mkdirSync(dirname(path), { recursive: true });
    const fd = openSync(temporary, "wx", 0o600);
    try {
      for (let sent = 0; sent < bytes.length; ) sent += writeSync(fd, bytes, sent);
      if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
      fchmodSync(fd, mode);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });
  let committed = false;
  return {
    get committed() {
      return committed;
    },
    commit() {
      attempt(() => renameSync(temporary, path));
      committed = true;
    },
    discard,
  };
}
