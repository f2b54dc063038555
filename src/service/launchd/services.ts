import { readdirSync } from "node:fs";
import { join } from "node:path";
import { own } from "../check/inspection.ts";
import { readPlistFile } from "../plist/file.ts";
import { readPlist } from "../plist/read.ts";
import type { Dictionary } from "../plist/value.ts";
import type { Domain } from "./domain.ts";
import { isOurs, programOf } from "./ownership.ts";

/** A property list that runs this program, in one of the folders that launchd loads by itself. */
export interface Service {
  label: string;
  path: string;
  domain: Domain;
  job: Dictionary;
}

/** The services of these domains that run this program, links followed, in the order of their labels. Files that cannot be read are passed over. */
export function servicesIn(domains: Domain[]): Service[] {
  return domains
    .flatMap((domain) => plistsIn(domain.folder).flatMap((path) => serviceAt(path, domain) ?? []))
    .sort((one, other) => (one.label < other.label ? -1 : 1));
}

/** The property list at a path, if it runs this program. */
export function serviceAt(path: string, domain: Domain): Service | null {
  let job: Dictionary;
  try {
    job = readPlist(readPlistFile(path).bytes);
  } catch {
    return null;
  }
  const label = own(job, "Label");
  return typeof label === "string" && isOurs(programOf(job)) ? { label, path, domain, job } : null;
}

/** launchd passes over names that begin with a dot, and those that do not end in .plist (launchd-842, support/launchctl.c:1289). */
function plistsIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".plist") && !name.startsWith("."))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}
