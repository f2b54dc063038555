import { writeSync } from "node:fs";
import { reasonOf, UserError } from "./errors.ts";
import { constants, libc } from "./system/libc.ts";

/**
 * Writes the text and a newline to stdout, all of it before it returns: what a command shows is its result. Throws a UserError where it cannot be
 * written.
 */
export function print(text: string): void {
  write(1, text, "cannot write to stdout what was asked for");
}

/** The same on stderr, for what is said beside a result. */
export function tell(text: string): void {
  write(2, text, "cannot write to stderr what goes with the result");
}

function write(fd: 1 | 2, text: string, failure: string): void {
  const bytes = Buffer.from(`${text}\n`);
  for (let sent = 0; sent < bytes.length; ) {
    try {
      sent += writeSync(fd, bytes, sent);
    } catch (error) {
      const reason = reasonOf(error);
      // Somebody else has made the pipe or terminal non-blocking.
      if (reason === "EAGAIN") libc.poll(new Int16Array([fd, 0, constants.POLLOUT, 0]), 1, -1);
      else if (reason !== "EINTR") throw new UserError(`${failure}: ${explain(reason)}`);
    }
  }
}

function explain(reason: string): string {
  switch (reason) {
    case "ENOSPC":
    case "EDQUOT":
      return "the disk is full; make room, or write it elsewhere";
    case "EPIPE":
      return "whoever read it has gone; let it read to the end, or write into a file";
    default:
      return `${reason}; write it elsewhere`;
  }
}
