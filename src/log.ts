import { writeSync } from "node:fs";
import { createConsola, LogLevels } from "consola";
import { onOneLine } from "./errors.ts";
import { constants, libc } from "./system/libc.ts";

/** The levels of `--log-level`, least verbose first. */
export const logLevels = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

/** What the rooms log with: `error`, `warn`, `info` and `debug` each write one line to stderr. */
export type Log = Record<LogLevel, (line: unknown) => void>;

const colours: Record<string, string> = { error: "\x1b[31m", warn: "\x1b[33m", debug: "\x1b[2m" };

/**
 * The program's log: one line per call on stderr, each beginning with `launch_socket_server: `, coloured on a
 * terminal only. Everything that consola would take from the environment (DEBUG, TEST, NODE_ENV) or do unasked
 * (writing to stdout, merging equal lines) is set explicitly.
 */
export const log = createConsola({
  level: LogLevels.info,
  throttle: 0,
  stdout: process.stderr,
  stderr: process.stderr,
  reporters: [
    {
      log({ type, args }) {
        const line = `launch_socket_server: ${args.map(textOf).join(" ")}`;
        const colour = process.stderr.isTTY && !process.env.NO_COLOR ? colours[type] : undefined;
        writeLine(colour === undefined ? line : `${colour}${line}\x1b[0m`);
      },
    },
  ],
});

/** Shows lines of `level` and of the less verbose ones from now on. */
export function setLogLevel(level: LogLevel): void {
  log.level = LogLevels[level];
}

/** A defect keeps its stack. */
function textOf(part: unknown): string {
  return part instanceof Error ? (part.stack ?? part.message) : onOneLine(String(part));
}

/** Lines dropped since one was last written, and whether the first of them was begun. */
let lost = 0;
let torn = false;

/**
 * Writes at once, so that nothing is lost at exit and lines keep their order. A log that cannot be written (full disk,
 * closed pipe, a pipe that nobody reads) must neither end nor stop the daemon: the line is dropped.
 */
function writeLine(line: string): void {
  // Once the reader has stopped, no line is waited for.
  if (!stderrIsReady(lost === 0 ? patience : 0)) {
    lost++;
    return;
  }
  const note = lost === 0 ? "" : `launch_socket_server: lines missing here, since nobody read the log: ${lost}\n`;
  const bytes = Buffer.from(`${torn ? "\n" : ""}${note}${line}\n`);
  [lost, torn] = [0, false];
  try {
    for (let sent = 0; sent < bytes.length; ) {
      if (sent > 0 && !stderrIsReady(patience)) {
        [lost, torn] = [1, true];
        return;
      }
      sent += writeSync(2, bytes, sent, Math.min(bytes.length - sent, atomic));
    }
  } catch {
    // What cannot be written cannot be told either.
  }
}

/** How long a line may hold everything up, in milliseconds. */
const patience = 100;
/** So many bytes fit into a pipe that poll(2) calls ready: PIPE_BUF of macOS's sys/syslimits.h; Linux's is greater. */
const atomic = 512;

/**
 * Whether something can be written to stderr without waiting for longer than `timeout` milliseconds. Errors of the descriptor count as
 * yes: writing tells them. A wait that a signal cut short counts as no, or the write behind it could wait for ever.
 */
function stderrIsReady(timeout: number): boolean {
  // struct pollfd of poll(2): the descriptor, the events asked for, and the events found.
  const pollfd = new Int16Array([2, 0, constants.POLLOUT, 0]);
  libc.poll(pollfd, 1, timeout);
  return pollfd[3] !== 0;
}
