import { closeSync, openSync, readSync } from "node:fs";

/** What runs a file: the interpreter of its first line (execve(2)). */
export interface Script {
  interpreter: string;
  /** What env(1), as the interpreter, looks up in PATH; null where it is another or names nothing. */
  command: string | null;
}

/** As much of a file as is read: XNU looks at 512 bytes for the first line (IMG_SHSIZE, bsd/sys/imgact.h). */
const limit = 512;

/**
 * How a file says what runs it; "bare" for a text without a first line that does, which no system executes directly. Null for a
 * binary, an empty file, and what cannot be read.
 */
export function readScript(path: string): Script | "bare" | null {
  const bytes = readStart(path);
  if (bytes.length === 0) return null;
  const text = Buffer.from(bytes).toString("latin1");
  if (!text.startsWith("#!")) return text.includes("\0") ? null : "bare";
  const [interpreter = "", ...words] = (text.slice(2).split("\n")[0] ?? "").trim().split(/\s+/);
  const isEnv = /^\/(usr\/)?bin\/env$/.test(interpreter);
  const command = words.find((word) => !word.startsWith("-") && !word.includes("="));
  return { interpreter, command: isEnv ? (command ?? null) : null };
}

function readStart(path: string): Uint8Array {
  try {
    const fd = openSync(path, "r");
    try {
      const bytes = new Uint8Array(limit);
      return bytes.subarray(0, readSync(fd, bytes));
    } finally {
      closeSync(fd);
    }
  } catch {
    return new Uint8Array();
  }
}
