import { lstatSync, type Stats } from "node:fs";
import { join } from "node:path";
import { reasonOf, UserError } from "../../errors.ts";
import { defaultExitTimeout, exitTimeoutOf } from "../exit-timeout.ts";
import { readPlistFile } from "../plist/file.ts";
import { readPlist } from "../plist/read.ts";
import type { Dictionary } from "../plist/value.ts";
import type { Domain } from "./domain.ts";
import type { Launchctl, ServiceState } from "./launchctl.ts";

/** What lies at the place of a service's plist. */
export interface PlistOnDisk {
  /** Of the link itself where it is one. */
  stats: Stats;
  /** Null where it cannot be read as a property list, for this reason. */
  job: Dictionary | null;
  problem: string;
}

/** What launchd and the disk have under a label. */
export interface Installed {
  label: string;
  /** The place of a plist of ours. */
  path: string;
  loaded: ServiceState | null;
  file: PlistOnDisk | null;
  /** Whether somebody has told launchd not to load it. */
  disabled: boolean;
}

/** Where a service's plist is. */
export function plistPath(label: string, domain: Domain): string {
  return join(domain.folder, `${label}.plist`);
}

/** Looks at what is there, changing nothing; without launchctl (null) at the disk alone. Throws a UserError where launchd or the folder cannot be asked. */
export async function lookAt(
  label: string,
  domain: Domain,
  launchctl: Launchctl | null,
  path = plistPath(label, domain),
): Promise<Installed> {
  if (launchctl === null) return { label, path, loaded: null, file: readFile(path), disabled: false };
  const loaded = await launchctl.print(label);
  return { label, path, loaded, file: readFile(path), disabled: await launchctl.isDisabled(label) };
}

/** Whether what lies at the path is still what was looked at. */
export function isUnchanged(path: string, then: Stats | undefined): boolean {
  const now = lstat(path);
  if (now === undefined || then === undefined) return now === then;
  return now.dev === then.dev && now.ino === then.ino && now.mtimeMs === then.mtimeMs && now.size === then.size;
}

/** How long the service may take to end: what its ExitTimeOut allows, and a while for launchd; milliseconds. */
export function stopPatience(loaded: ServiceState | null, job: Dictionary | null): number {
  return (exitTimeout(loaded, job) + 10) * 1000;
}

/** The seconds that its ExitTimeOut allows. 0 is "never"; ten minutes are a guess at what a person waits for. */
export function exitTimeout(loaded: ServiceState | null, job: Dictionary | null): number {
  return (loaded?.exitTimeout ?? (job && exitTimeoutOf(job)) ?? defaultExitTimeout) || 600;
}

function readFile(path: string): PlistOnDisk | null {
  const stats = lstat(path);
  if (stats === undefined) return null;
  if (!stats.isFile() && !stats.isSymbolicLink()) return { stats, job: null, problem: "it is not a file" };
  try {
    return { stats, job: readPlist(readPlistFile(path).bytes), problem: "" };
  } catch (error) {
    const problem = error instanceof UserError ? error.message : reasonOf(error);
    return { stats, job: null, problem };
  }
}

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(reasonOf(error))) return undefined;
    throw new UserError(`cannot look at ${path}: ${reasonOf(error)}; check who may enter its folder`);
  }
}
