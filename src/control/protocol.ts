/**
 * What is asked of a running daemon, and what it answers: one line of JSON each way over a Unix socket (folder.ts), the answer an
 * object with `error`, a sentence, where it cannot do what was asked.
 */

export type Request = { command: "status" } | { command: "reload" };

/** The longest request in bytes, its newline included. */
export const longestRequest = 4_096;
/** The longest answer that a client reads, in bytes. */
export const longestAnswer = 1_048_576;
/** Milliseconds within which a question has to be asked and answered. */
export const exchangeTimeout = 1_000;

/** A daemon's account of itself. Times are ISO 8601 in UTC. */
export interface Status {
  version: string;
  pid: number;
  /** Its name at launchd, and at systemd; null where it has none. */
  label: string | null;
  unit: string | null;
  since: string;
  /** What it serves, and where that leads. */
  addresses: { listen: string; target: string }[];
  /** Empty before the first start, and where none is run (`-`). */
  programs: ProgramStatus[];
  connections: {
    now: number;
    /** Those of them that wait for the program. */
    waiting: number;
    /** How many there may be; more wait in the kernel's queue. */
    capacity: number;
    atCapacity: boolean;
    /** Since the start, with those of now. */
    total: number;
  };
  /** Since the start: from clients to the program (up), and back. */
  bytes: { up: number; down: number };
  /** What clients wait for, to complete "clients wait for …"; null while none has to. */
  waitingFor: string | null;
  lastFailure: { at: string; reason: string } | null;
  /** The latest reload; null before the first. */
  reload: ReloadStatus | null;
}

export interface ProgramStatus {
  pid: number;
  command: readonly string[];
  since: string;
  /** `starting`: clients wait for it and none has reached it yet. `draining`: it gets no new connections. `stopping`: it was told to end. */
  state: "starting" | "running" | "draining" | "stopping";
  connections: number;
}

/** A reload's account of itself. */
export interface ReloadStatus {
  /**
   * `starting`: the new copy does not serve yet. `draining`: it has the new connections, and the old copy keeps those that it has.
   * `stopping`: the old copy was told to end. `done`: it has. `failed`: the old copy serves as before.
   */
  phase: "starting" | "draining" | "stopping" | "done" | "failed";
  /** ISO 8601. */
  since: string;
  oldPid: number;
  /** Null as long as there is none. */
  newPid: number | null;
  /** Connections that the old copy had when the new one took over, those that it still has, and those that were cut. */
  connections: { before: number; left: number; cut: number };
  /** Why it has failed, as a sentence; null if it has not. */
  problem: string | null;
  /** The last lines of the log from before that, where it is a file: the program's own, whichever copy wrote them. */
  log: string[];
}

/** Reads a request's line; null where it is none. */
export function decodeRequest(line: string): Request | null {
  const value = parse(line);
  if (!isObject(value)) return null;
  return value.command === "status" || value.command === "reload" ? { command: value.command } : null;
}

/** A message as it is sent. */
export function encode(message: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(message)}\n`);
}

/** Reads an answer's line; null where it is not an object. */
export function decodeAnswer(line: string): Record<string, unknown> | null {
  const value = parse(line);
  return isObject(value) ? value : null;
}

/** Whether an answer has all that a status has; another version's may have more. */
export function isStatus(answer: unknown): answer is Status {
  return fits(answer, statusShape);
}

/** A type at run time: one of JSON's, one that may be null, a list, or an object with at least these fields. */
type Shape = "string" | "number" | "boolean" | { orNull: Shape } | [Shape] | { fields: Record<string, Shape> };

const statusShape: Shape = {
  fields: {
    version: "string",
    pid: "number",
    label: { orNull: "string" },
    unit: { orNull: "string" },
    since: "string",
    addresses: [{ fields: { listen: "string", target: "string" } }],
    programs: [
      { fields: { pid: "number", command: ["string"], since: "string", state: "string", connections: "number" } },
    ],
    connections: {
      fields: { now: "number", waiting: "number", capacity: "number", atCapacity: "boolean", total: "number" },
    },
    bytes: { fields: { up: "number", down: "number" } },
    waitingFor: { orNull: "string" },
    lastFailure: { orNull: { fields: { at: "string", reason: "string" } } },
    reload: {
      orNull: {
        fields: {
          phase: "string",
          since: "string",
          oldPid: "number",
          newPid: { orNull: "number" },
          connections: { fields: { before: "number", left: "number", cut: "number" } },
          problem: { orNull: "string" },
          log: ["string"],
        },
      },
    },
  },
};

function fits(value: unknown, shape: Shape): boolean {
  if (typeof shape === "string") return typeof value === shape;
  if (Array.isArray(shape)) return Array.isArray(value) && value.every((item) => fits(item, shape[0]));
  if ("orNull" in shape) return value === null || fits(value, shape.orNull);
  return isObject(value) && Object.entries(shape.fields).every(([name, field]) => fits(value[name], field));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
