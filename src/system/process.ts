import { ptr } from "bun:ffi";
import { readdirSync, readFileSync } from "node:fs";
import { constants as systemConstants } from "node:os";
import { constants, cString, errno, libc, macos } from "./libc.ts";
import { platform } from "./platform.ts";

const { signals } = systemConstants;

/**
 * How many descriptors this process may still open: what the soft limit allows and, on macOS, kern.maxfilesperproc, which
 * limits more strictly than getrlimit tells (sysctl(3)).
 */
export function freeDescriptors(): number {
  const limit = new BigUint64Array(2);
  libc.getrlimit(constants.RLIMIT_NOFILE, limit);
  try {
    return Math.min(Number(limit[0]), maxFilesPerProcess()) - openDescriptors().length;
  } catch {
    // Not even one to look with.
    return 0;
  }
}

/** The greatest number that a descriptor of this process has. */
export function highestDescriptor(): number {
  return openDescriptors().reduce((highest, fd) => Math.max(highest, fd), 0);
}

/**
 * Does something with another soft limit on open files, `soft` or the hard limit if that is smaller, which processes
 * started meanwhile inherit.
 */
export function withOpenFilesLimit<T>(soft: number, action: () => T): T {
  const limit = new BigUint64Array(2);
  libc.getrlimit(constants.RLIMIT_NOFILE, limit);
  const [before = 0n, hard = 0n] = limit;
  limit[0] = BigInt(soft) < hard ? BigInt(soft) : hard;
  libc.setrlimit(constants.RLIMIT_NOFILE, limit);
  try {
    return action();
  } finally {
    limit[0] = before;
    libc.setrlimit(constants.RLIMIT_NOFILE, limit);
  }
}

/** Where siginfo_t has what waitid(2) tells, in 32-bit words: bits/types/siginfo_t.h on 64 bits; xnu's bsd/sys/signal.h. */
const siginfo = platform === "macos" ? { code: 2, pid: 3, status: 5 } : { code: 2, pid: 4, status: 6 };
/** CLD_EXITED, the si_code of a child that has called exit(2), on both systems. */
const exited = 1;

/**
 * How a child ended, if it has: its status, or the number of the signal that ended it. Null while it runs, and once somebody
 * has waited for it; who waits for it still gets it (waitid(2), WNOWAIT).
 */
export function peekExit(pid: number): { status: number } | { signal: number } | null {
  const { P_PID, WEXITED, WNOHANG, WNOWAIT } = constants;
  const information = new Int32Array(32);
  if (libc.waitid(P_PID, pid, information, WEXITED | WNOHANG | WNOWAIT) !== 0) return null;
  if (information[siginfo.pid] !== pid) return null;
  const status = information[siginfo.status] ?? 0;
  return information[siginfo.code] === exited ? { status } : { signal: status };
}

/** Whether there is a process of that id, whoever's it is. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is another user's.
    return (error as { code?: string }).code !== "ESRCH";
  }
}

/** The effective user id of a process; null where there is none of that id. */
export function userOf(pid: number): number | null {
  return usersOf([pid]).get(pid) ?? null;
}

/** The same for several; those that there are not are left out. Linux: proc_pid_status(5); macOS: ps(1), which every user may ask. */
export function usersOf(pids: number[]): Map<number, number> {
  if (platform === "macos") return pids.length === 0 ? new Map() : usersByPs(pids);
  return new Map(
    pids.flatMap((pid): [number, number][] => {
      try {
        const [, uid] = readFileSync(`/proc/${pid}/status`, "utf8").match(/^Uid:\t\d+\t(\d+)/m) ?? [];
        return uid === undefined ? [] : [[pid, Number(uid)]];
      } catch {
        return [];
      }
    }),
  );
}

function usersByPs(pids: number[]): Map<number, number> {
  const { stdout } = Bun.spawnSync(["/bin/ps", "-o", "pid=,uid=", "-p", pids.join(",")], { stderr: "ignore" });
  const lines = stdout.toString().matchAll(/^\s*(\d+)\s+(\d+)\s*$/gm);
  return new Map([...lines].map(([, pid, uid]) => [Number(pid), Number(uid)]));
}

/** Whether this signal is ignored (nohup, a shell's background job). The handler is the first word of `struct sigaction` on both systems. */
export function isIgnored(signal: number): boolean {
  const SIG_IGN = 1n;
  const action = new BigUint64Array(32);
  return libc.sigaction(signal, null, action) === 0 && action[0] === SIG_IGN;
}

/** Whether a Ctrl-C on our terminal reaches this process group, and so the program too (tcgetpgrp(3)). */
export function inTerminalForeground(): boolean {
  const group = libc.getpgrp();
  return [0, 1, 2].some((fd) => libc.tcgetpgrp(fd) === group);
}

/**
 * Becomes another program: same process, with `descriptors` at 3 and up and nothing else open above 2, `variables`
 * added to the environment and signals as a fresh process has them. Returns only if that failed, with the error
 * number; the process is fit for nothing but saying that and `exitNow` then.
 */
export function execute(
  path: string,
  argv: string[],
  variables: Record<string, string>,
  descriptors: number[],
): number {
  const first = 3;
  const open = openDescriptors();
  // By way of numbers that nothing uses, so that none is overwritten before it was moved. dup2 clears FD_CLOEXEC.
  const aside = Math.max(...open, first + descriptors.length) + 1;
  for (const [index, fd] of descriptors.entries()) libc.dup2(fd, aside + index);
  for (const index of descriptors.keys()) libc.dup2(aside + index, first + index);
  for (const index of descriptors.keys()) libc.close(aside + index);
  for (const fd of open) if (fd >= first + descriptors.length) libc.close(fd);

  // Bun ignores these two, and ignored signals stay so in the new program (execve(2)).
  const standard = new BigUint64Array(32);
  for (const signal of ["SIGPIPE", "SIGXFSZ"] as const) libc.sigaction(signals[signal], standard, null);
  libc.sigprocmask(constants.SIG_SETMASK, new Uint8Array(128), null);

  for (const [name, value] of Object.entries(variables)) libc.setenv(cString(name), cString(value), 1);
  const strings = argv.map(cString);
  const pointers = BigUint64Array.from([...strings.map((string) => BigInt(ptr(string))), 0n]);
  libc.execv(cString(path), pointers);
  return errno();
}

/** Ends the process without any of the runtime's own ways, which may not work any more. */
export function exitNow(status: number): void {
  libc._exit(status);
}

function openDescriptors(): number[] {
  return readdirSync("/dev/fd").map(Number);
}

function maxFilesPerProcess(): number {
  const value = new Int32Array(1);
  const length = new BigUint64Array([4n]);
  const failed = macos?.sysctlbyname(cString("kern.maxfilesperproc"), value, length, null, 0n) !== 0;
  return failed ? Number.POSITIVE_INFINITY : (value[0] ?? 0);
}
