import { readdirSync, readFileSync } from "node:fs";

/** Whether a process exists and is no zombie. */
export function alive(pid: number): boolean {
  return process.platform === "linux" ? running(pid) !== null : signal(pid, 0);
}

/** Memory that is resident, in bytes; 0 for a process that is not there (proc(5), status). */
export function resident(pid: number): number {
  if (!alive(pid)) return 0;
  return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB$/m)?.[1]) * 1024;
}

/** Whether a process group has a process that is no zombie. */
export function groupAlive(group: number): boolean {
  if (!signal(-group, 0)) return false;
  // The init of a container may leave orphans as zombies for a while.
  return process.platform !== "linux" || readdirSync("/proc").some((name) => running(Number(name))?.group === group);
}

/** Sends a signal to a process group, if it has a process still. */
export function signalGroup(group: number, name: NodeJS.Signals): void {
  signal(-group, name);
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

function running(pid: number): { group: number } | null {
  if (!(pid > 0)) return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // proc_pid_stat(5): the name in parentheses may hold anything; state, parent and group follow it.
    const [state = "", , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return "ZX".includes(state) ? null : { group: Number(group) };
  } catch {
    return null;
  }
}
