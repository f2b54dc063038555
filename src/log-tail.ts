import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { onOneLine } from "./errors.ts";
import { pathOf } from "./system/open-file.ts";

/** What is looked at, from the end, in bytes. */
const reach = 8_192;

/**
 * What others write to our stderr from now on, where that is a file that we may read: it is read, so that nothing comes between a
 * program and its log. Of anything else (a terminal, a pipe, the journal) nothing is known.
 */
export class LogTail {
  readonly #start: number;

  constructor(readonly fd = 2) {
    this.#start = sizeOf(fd) ?? 0;
  }

  /** The last lines that are not ours, at most `count`, without control characters. */
  lines(count: number): string[] {
    const size = sizeOf(this.fd);
    const path = pathOf(this.fd);
    if (size === null || path === null) return [];
    // A file that has been cut meanwhile is new from its beginning.
    const start = Math.max(size < this.#start ? 0 : this.#start, size - reach);
    const text = read(path, this.fd, start, size - start);
    const lines = text.split("\n").filter((line) => line !== "" && !line.includes("launch_socket_server: "));
    return lines.slice(-count).map((line) => onOneLine(line.replace(/\r$/, "")));
  }
}

/** The size of a file; null for what is none. */
function sizeOf(fd: number): number | null {
  try {
    const found = fstatSync(fd);
    return found.isFile() ? found.size : null;
  } catch {
    return null;
  }
}

/** Reads from `path` where that is the very file that `fd` has. */
function read(path: string, fd: number, start: number, length: number): string {
  try {
    const file = openSync(path, "r");
    try {
      const [found, wanted] = [fstatSync(file), fstatSync(fd)];
      if (found.dev !== wanted.dev || found.ino !== wanted.ino) return "";
      const buffer = Buffer.alloc(length);
      return buffer.toString("utf8", 0, readSync(file, buffer, 0, length, start));
    } finally {
      closeSync(file);
    }
  } catch {
    return "";
  }
}
