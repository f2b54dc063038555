import { readdirSync, readFileSync, statSync } from "node:fs";
import { cpus } from "node:os";

/** What /proc tells of a process and all its descendants (proc(5)); Linux only. */

const ticksPerSecond = 100;

/** CPU seconds that one process has used so far, without its children. */
export function cpuSeconds(pid: number): number {
  const text = read(`/proc/${pid}/stat`);
  // The name, which may hold spaces, stands in brackets; utime is the 14th field and stime the 15th.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Lets a process and its descendants run on one CPU only (its number), or anywhere again. */
export function pin(pid: number, cpu: number | "anywhere"): void {
  const list = cpu === "anywhere" ? `0-${cpus().length - 1}` : String(cpu);
  for (const one of withDescendants(pid)) Bun.spawnSync(["taskset", "-acp", list, String(one)]);
}

/** Bytes resident, and private ones: written by this process, so that the system can neither share nor drop them. */
export function memory(pid: number): { resident: number; private: number } {
  const sum = { resident: 0, private: 0 };
  for (const one of withDescendants(pid)) {
    const text = read(`/proc/${one}/smaps_rollup`);
    const field = (name: string) => 1024 * Number(text.match(new RegExp(`^${name}: *(\\d+) kB`, "m"))?.[1] ?? 0);
    sum.resident += field("Rss");
    sum.private += field("Private_Dirty");
  }
  return sum;
}

/** How often its threads were given a CPU so far: each time that an idle thread wakes counts one. */
export function wakeUps(pid: number): number {
  let count = 0;
  for (const one of withDescendants(pid)) {
    for (const thread of list(`/proc/${one}/task`)) {
      const text = read(`/proc/${one}/task/${thread}/status`);
      for (const match of text.matchAll(/ctxt_switches:\s*(\d+)/g)) count += Number(match[1]);
    }
  }
  return count;
}

/** The size of the program's file in bytes. */
export function programSize(pid: number): number {
  return statSync(`/proc/${pid}/exe`).size;
}

function withDescendants(pid: number): number[] {
  const found = [pid];
  for (let index = 0; index < found.length; index++) {
    for (const thread of list(`/proc/${found[index]}/task`)) {
      const children = read(`/proc/${found[index]}/task/${thread}/children`);
      found.push(...children.split(" ").filter(Boolean).map(Number));
    }
  }
  return found;
}

/** Empty for a process or thread that has just ended. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
