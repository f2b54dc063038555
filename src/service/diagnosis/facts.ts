import type { Stats } from "node:fs";
import type { Address } from "../../address.ts";
import type { Settings } from "../../settings/options.ts";
import { checkPlist, type Finding } from "../check/check.ts";
import type { Machine } from "../check/machine.ts";
import { boundAddresses } from "../launchd/contacts.ts";
import type { Domain } from "../launchd/domain.ts";
import type { Standing } from "../launchd/survey.ts";
import { readPlistFile } from "../plist/file.ts";
import type { Dictionary } from "../plist/value.ts";
import { logOf } from "./log-tail.ts";

/** What is known of a service before anything is looked for. */
export interface Facts extends Standing {
  label: string;
  /** Of its property list. */
  path: string;
  /** Null where there is no property list, or none that can be read. */
  job: Dictionary | null;
  settings: Settings | null;
  findings: Finding[];
  addresses: Address[];
  log: string | null;
}

/** Reads and checks a service's property list, for what launchd says of it. */
export async function gatherFacts(
  { label, path, kind }: { label: string; path: string; kind: Domain["kind"] },
  standing: Standing,
  machine: Machine,
): Promise<Facts> {
  const base = { label, path, ...standing };
  let opened: { bytes: Uint8Array; stats: Stats };
  try {
    opened = readPlistFile(path);
  } catch {
    return { ...base, job: null, settings: null, findings: [], addresses: [], log: null };
  }
  const { job, settings, findings } = await checkPlist({ path, ...opened, kind }, machine);
  const addresses = job === null || settings === null ? [] : boundAddresses(job, settings);
  return { ...base, job, settings, findings, addresses, log: job && logOf(job) };
}
