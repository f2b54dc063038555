import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { reasonOf } from "../../errors.ts";
import { own } from "../check/inspection.ts";
import type { Dictionary } from "../plist/value.ts";

/** More than ten long lines have. */
const maxBytes = 64 * 1024;

/** The end of a log; `problem` says why it cannot be read. */
export type LogTail = { lines: string[] } | { problem: string };

/** The file that a job's output goes to, errors first; null for none. */
export function logOf(job: Dictionary): string | null {
  const path = own(job, "StandardErrorPath") ?? own(job, "StandardOutPath");
  return typeof path === "string" ? path : null;
}

/** The last lines of a log, at most `count`. Waits for nobody, whatever lies at the path. */
export function readTail(path: string, count = 10): LogTail {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) return { problem: "it is not a file" };
      const bytes = Buffer.alloc(Math.min(stats.size, maxBytes));
      const read = readSync(fd, bytes, 0, bytes.length, stats.size - bytes.length);
      const lines = bytes.toString("utf8", 0, read).split("\n");
      // What was cut off in front is no line.
      if (stats.size > maxBytes) lines.shift();
      if (lines.at(-1) === "") lines.pop();
      return { lines: lines.slice(-count) };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    switch (reasonOf(error)) {
      case "ENOENT":
        return { problem: "it is not there yet" };
      case "EACCES":
      case "EPERM":
        return { problem: "permission denied; use sudo" };
      default:
        return { problem: reasonOf(error) };
    }
  }
}

/** The last line in which this program says that something failed, without its prefix; null where there is none. */
export function lastFailure(lines: string[]): string | null {
  const line = lines.findLast((line) => /^launch_socket_server: (cannot |error |program `.*' exited: )/.test(line));
  return line?.replace(/^launch_socket_server: /, "") ?? null;
}
