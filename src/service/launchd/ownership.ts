import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { own } from "../check/inspection.ts";
import type { Dictionary } from "../plist/value.ts";
import type { Installed } from "./installed.ts";

/** Why a service is somebody else's. */
export interface Foreign {
  /** A sentence's part. */
  why: string;
  /** Whether its place can be taken on purpose, and given back. */
  replaceable: boolean;
}

/**
 * Whose a service is, so that a slip in the label harms nobody: null for ours, and where there is none. Ours is a job
 * that launchd has from the plist at our place and that runs launch_socket_server, and a plist there that runs it.
 */
export function foreign({ label, path, loaded, file }: Installed): Foreign | null {
  if (loaded !== null) {
    const from = loaded.path ?? "an unknown place";
    // Submitted by a program: there is no file that it could be loaded from again.
    if (!from.startsWith("/")) return { why: `launchd has it from ${from}, and from no file`, replaceable: false };
    if (from.startsWith("/System/")) {
      return { why: `launchd has it from ${from}, which belongs to macOS`, replaceable: false };
    }
    if (!isSamePlace(from, path))
      return { why: `launchd has it from ${from}, and not from ${path}`, replaceable: true };
    if (!isOurs(loaded.program)) {
      return { why: `launchd runs ${loaded.program ?? "something unknown"} under this label`, replaceable: true };
    }
  }
  if (file === null) return null;
  const { job, problem, stats } = file;
  if (!stats.isFile() && !stats.isSymbolicLink()) return { why: `${path} is not a file`, replaceable: false };
  if (job === null) return { why: `${path} cannot be read as a property list (${problem})`, replaceable: true };
  const named = own(job, "Label");
  if (named !== label) return { why: `${path} is the plist of ${String(named)}`, replaceable: true };
  const program = programOf(job);
  return isOurs(program) ? null : { why: `${path} runs ${program ?? "nothing"}`, replaceable: true };
}

/** What launchd runs: Program, else the first of ProgramArguments (launchd.plist(5)). */
export function programOf(job: Dictionary): string | undefined {
  const words = own(job, "ProgramArguments");
  const program = own(job, "Program") ?? (Array.isArray(words) ? words[0] : undefined);
  return typeof program === "string" ? program : undefined;
}

/** Whether a path leads to the program that runs here. */
export function isThisProgram(program: string): boolean {
  return resolved(program) === resolved(process.execPath);
}

/** By its name, or that of what it is a link to; or it is this very program under another name. */
export function isOurs(program: string | undefined): boolean {
  if (program === undefined) return false;
  const names = [program, resolved(program)].map((path) => basename(path));
  return names.includes("launch_socket_server") || isThisProgram(program);
}

/** The same name in the same folder: what a link at that name leads to is another place. */
function isSamePlace(one: string, other: string): boolean {
  const place = (path: string) => join(resolved(dirname(path)), basename(path));
  return one === other || place(one) === place(other);
}

function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // What is gone still has its name.
    return path;
  }
}
