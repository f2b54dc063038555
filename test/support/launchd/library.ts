/** The C half of the launchd stand-in (sockets.c, processes.c) as functions that throw. */
import { dlopen, FFIType } from "bun:ffi";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { resolve } from "node:path";
import { getSystemErrorName } from "node:util";

/**
 * The library that a program under test finds `launch_activate_socket` in; `make build/test/liblaunchd.so` builds it.
 */
export const launchdLibrary = resolve(import.meta.dir, "../../../build/test/liblaunchd.so");
if (!existsSync(launchdLibrary)) throw new Error(`${launchdLibrary} is not there: make build/test/liblaunchd.so`);

const { i32, ptr } = FFIType;
const { symbols: c } = dlopen(launchdLibrary, {
  standin_listen: { args: [ptr, ptr, i32, i32, i32, ptr, i32], returns: i32 },
  standin_listen_path: { args: [ptr, i32, i32], returns: i32 },
  standin_address: { args: [i32, ptr, i32], returns: i32 },
  standin_readable: { args: [ptr, i32], returns: i32 },
  standin_user: { args: [ptr, ptr, ptr, ptr, i32, ptr, i32], returns: i32 },
  standin_spawn: { args: [ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr], returns: i32 },
  standin_reap: { args: [i32, i32, ptr], returns: i32 },
});

// The enum at the end of table.h.
const failures: Record<number, string> = {
  [-10000]: "unknown host or service name",
  [-10001]: "no such user",
  [-10002]: "no such group",
};

function checked(result: number, attempt: string): number {
  if (result >= 0) return result;
  throw new Error(`${attempt}: ${failures[result] ?? getSystemErrorName(result)}`);
}

const text = (...values: string[]) => Buffer.from(values.map((value) => `${value}\0`).join("") || "\0");

export type SocketType = "stream" | "dgram";
/** Addresses to bind: 4 and 6 are IPv4 and IPv6, 46 is one socket for both, 0 a socket for each. */
export type Family = 0 | 4 | 6 | 46;

/**
 * Binds (and listens on) every address that `node` stands for, "" being the wildcard. The caller owns the descriptors.
 */
export function listen(node: string, service: string, family: Family, type: SocketType, backlog: number): number[] {
  const fds = new Int32Array(64);
  const kind = type.charCodeAt(0);
  const count = c.standin_listen(text(node), text(service), family, kind, backlog, fds, fds.length);
  return [...fds.subarray(0, checked(count, `cannot bind ${node}:${service}`))];
}

/**
 * Binds (and listens on) a Unix socket in place of what has that path, open to nobody else. The caller owns the
 * descriptor.
 */
export function listenPath(path: string, type: SocketType, backlog: number): number {
  return checked(c.standin_listen_path(text(path), type.charCodeAt(0), backlog), `cannot bind ${path}`);
}

/** The numeric address that a TCP or UDP socket is bound to. */
export function addressOf(fd: number): { host: string; port: number } {
  const host = Buffer.alloc(64);
  const port = checked(c.standin_address(fd, host, host.length), `cannot name descriptor ${fd}`);
  return { host: host.toString("latin1", 0, host.indexOf(0)), port };
}

/** Whether a connection or a datagram waits in one of the sockets; takes nothing from them. */
export function readable(fds: readonly number[]): boolean {
  return c.standin_readable(Int32Array.from([...fds, 0]), fds.length) === 1;
}

export interface User {
  name: string;
  uid: number;
  gid: number;
  groups: number[];
  home: string;
  shell: string;
}

/** Looks up a user, "" being the one who runs the tests; a group named replaces the user's own. */
export function lookUpUser(name: string, group = ""): User {
  const ids = new Int32Array(2);
  const groups = new Int32Array(256);
  const strings = Buffer.alloc(4096);
  const count = c.standin_user(text(name), text(group), ids, groups, groups.length, strings, strings.length);
  checked(count, `cannot run a job as ${name}${group && `:${group}`}`);
  const [found = "", home = "", shell = ""] = strings.toString().split("\0");
  const [uid = 0, gid = 0] = ids;
  return { name: found, uid, gid, groups: [...groups.subarray(0, count)], home, shell };
}

/**
 * How a job's program receives its sockets: by `launch_activate_socket` of `launchdLibrary`, or by systemd's protocol, for a
 * loader that passes them on. Nothing else in the stand-in knows of it.
 */
export type Handover = "launch_activate_socket" | "LISTEN_FDS";

export interface Process {
  program: string;
  arguments: readonly string[];
  folder: string;
  environment: Readonly<Record<string, string>>;
  /** stdin, stdout, stderr; they stay the caller's. */
  stdio: readonly [number, number, number];
  /** The sockets of each name; they stay the caller's. */
  sockets: ReadonlyMap<string, readonly number[]>;
  handover: Handover;
  user: User | null;
  softLimit: number | null;
  hardLimit: number | null;
  umask: number | null;
}

const steps = ["", "set the limit on open files", "become the user", "enter the folder", "run the program"];

/**
 * Starts a process in a session of its own, with default signal dispositions and no descriptor but those named. Returns
 * its pid.
 */
export function spawn(process: Process): number {
  const systemd = process.handover === "LISTEN_FDS" && process.sockets.size > 0;
  const socketNames = [...process.sockets].flatMap(([name, fds]) => fds.map(() => name));
  const variables = { ...process.environment, ...(systemd ? { LISTEN_FDNAMES: socketNames.join(":") } : {}) };
  const environment = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const names = text(...[...process.sockets].flatMap(([name, fds]) => [name, String(fds.length)]));
  const sockets = [...process.sockets.values()].flat();
  const groups = process.user?.groups ?? [];
  // The order of `struct settings`.
  const settings = Int32Array.of(
    process.arguments.length,
    environment.length,
    sockets.length,
    groups.length,
    process.user?.uid ?? -1,
    process.user?.gid ?? -1,
    process.softLimit ?? -1,
    process.hardLimit ?? -1,
    process.umask ?? -1,
    process.sockets.size === 0 ? 0 : names.length,
    systemd ? 1 : 0,
  );
  const result = c.standin_spawn(
    text(process.program),
    text(process.folder),
    text(...process.arguments),
    text(...environment),
    names,
    Int32Array.from([...process.stdio, ...(systemd ? [] : [-1]), ...sockets, 0]),
    Int32Array.from([...groups, 0]),
    settings,
  );
  if (result > 0) return result;
  const step = steps[Math.floor(-result / 1000)];
  throw new Error(`cannot start ${process.program}: cannot ${step}: ${getSystemErrorName(result % 1000)}`);
}

/** How a process ended: exactly one of the two is not null. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * Collects a process that `spawn` started if it has ended; null while it runs. What is left of its process group then
 * gets a SIGTERM, unless `abandonGroup`.
 */
export function reap(pid: number, abandonGroup: boolean): Ending | null {
  const status = new Int32Array(1);
  if (checked(c.standin_reap(pid, abandonGroup ? 1 : 0, status), `cannot wait for process ${pid}`) === 0) return null;
  const [bits = 0] = status;
  const number = bits & 0x7f; // WTERMSIG; the same on Linux and macOS
  if (number === 0) return { code: (bits >> 8) & 0xff, signal: null };
  const entry = Object.entries(constants.signals).find(([, value]) => value === number);
  return { code: null, signal: (entry?.[0] ?? `signal ${number}`) as NodeJS.Signals };
}
