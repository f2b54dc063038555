import type { Status } from "../../control/protocol.ts";
import type { LogTail } from "../diagnosis/log-tail.ts";

/** One service or daemon, as --status shows it. */
export interface Entry {
  /** Its label at launchd or its unit at systemd; null for a daemon that runs without either. */
  name: string | null;
  /** How it fares, in a few words. */
  state: string;
  /** Whether it does its work: it runs, or waits for a connection. */
  works: boolean;
  /** The daemon's process. */
  pid: number | null;
  /** What clients connect to. */
  addresses: string[];
  /** The program and its arguments; null where none is run, or that is not known. */
  program: readonly string[] | null;
  /** The daemon's own account; null where it cannot be had, for this reason (a sentence). */
  status: Status | null;
  problem: string | null;
  /** How the last run ended, in words, and the file of the log; null where that is not known. */
  lastEnd: string | null;
  log: string | null;
  /** Why it does not work, and what to do: sentences without their full stop. Looked for where one service is asked for. */
  causes: string[];
  /** The end of its log; the same. */
  tail: LogTail | null;
}

/** Exit statuses as systemctl(1) has them for its `status`. */
export const exitStatus = { works: 0, error: 1, doesNotWork: 3, unknown: 4 } as const;
