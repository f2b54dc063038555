import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { reasonOf, UserError } from "../../errors.ts";
import { libc, constants as libcConstants } from "../../system/libc.ts";
import { platform } from "../../system/platform.ts";
import { protectedFolder } from "../../system/privacy.ts";
import { maxBytes } from "./read.ts";

/** Descriptors of this process by their names: what is at the other end was opened by whoever called us. */
const ownDescriptor = /^(-|\/dev\/(stdin|fd\/\d+))$/;

/**
 * The bytes of a file that may be a property list, or of standard input for `-`, at most one more than such a one may have, and whose it is. Of a
 * path it waits for nobody: a FIFO or a device is a UserError that completes "cannot read it: …". Throws the system's error as well.
 */
export function readPlistFile(path: string): { bytes: Uint8Array; stats: Stats } {
  const isOwn = ownDescriptor.test(path);
  // Opening a device may do something already, and a FIFO waits for its writer.
  if (!isOwn) refuseSpecial(statSync(path));
  const fd = path === "-" ? 0 : openSync(path, isOwn ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!isOwn) refuseSpecial(stats);
    const chunks: Uint8Array[] = [];
    let length = 0;
    while (length <= maxBytes) {
      const chunk = new Uint8Array(Math.min(chunkLength, maxBytes + 1 - length));
      const read = readWaiting(fd, chunk);
      if (read === 0) break;
      chunks.push(chunk.subarray(0, read));
      length += read;
    }
    return { bytes: Buffer.concat(chunks), stats };
  } finally {
    if (fd !== 0) closeSync(fd);
  }
}

const chunkLength = 64 * 1024;

/** As read(2), which waits for more also where somebody has made the pipe or terminal non-blocking. */
function readWaiting(fd: number, chunk: Uint8Array): number {
  for (;;) {
    try {
      return readSync(fd, chunk);
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === "EAGAIN") libc.poll(new Int16Array([fd, 0, libcConstants.POLLIN, 0]), 1, -1);
      else if (reason !== "EINTR") throw error;
    }
  }
}

function refuseSpecial(stats: Stats): void {
  const what = stats.isFIFO()
    ? "a FIFO"
    : stats.isSocket()
      ? "a socket"
      : stats.isCharacterDevice() || stats.isBlockDevice()
        ? "a device"
        : null;
  if (what !== null) throw new UserError(`it is ${what}; name a file`);
}

/** Why a file could not be read, and what to do, to end a sentence. */
export function explainUnreadable(error: unknown, path: string): string {
  const reason = reasonOf(error);
  switch (reason) {
    case "ENOENT":
      return "there is no such file; check the path";
    case "EPERM":
      // sudo does not help: the permission is the terminal's.
      if (platform === "macos" && protectedFolder(resolve(path)) !== null) {
        return `macOS keeps this terminal out of ${protectedFolder(resolve(path))}; allow it in System Settings, Privacy & Security, Files and Folders, or copy the file elsewhere`;
      }
      return "permission denied; check who may read it, or use sudo";
    case "EACCES":
      return "permission denied; check who may read it, or use sudo";
    case "EISDIR":
      return "it is a folder; name the file in it";
    default:
      return reason;
  }
}
