import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { UserError } from "../../errors.ts";
import { maxBytes } from "./read.ts";

/** Descriptors of this process by their names: what is at the other end was opened by whoever called us. */
const ownDescriptor = /^\/dev\/(stdin|fd\/\d+)$/;

/**
 * The bytes of a file that may be a property list, at most one more than such a one may have, and whose it is. Waits for nobody: a FIFO or a
 * device is a UserError that completes "cannot read it: …". Throws the system's error as well.
 */
export function readPlistFile(path: string): { bytes: Uint8Array; stats: Stats } {
  const isOwn = ownDescriptor.test(path);
  // Opening a device may do something already, and a FIFO waits for its writer.
  if (!isOwn) refuseSpecial(statSync(path));
  const fd = openSync(path, isOwn ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!isOwn) refuseSpecial(stats);
    const chunks: Uint8Array[] = [];
    let length = 0;
    while (length <= maxBytes) {
      const chunk = new Uint8Array(Math.min(chunkLength, maxBytes + 1 - length));
      const read = readSync(fd, chunk);
      if (read === 0) break;
      chunks.push(chunk.subarray(0, read));
      length += read;
    }
    return { bytes: Buffer.concat(chunks), stats };
  } finally {
    closeSync(fd);
  }
}

const chunkLength = 64 * 1024;

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
