import { basename, dirname, resolve } from "node:path";
import { UserError } from "../../errors.ts";
import type { Settings } from "../../settings/options.ts";
import { parsePlist, type Reading } from "../plist/read.ts";
import type { Dictionary } from "../plist/value.ts";
import { checkArguments } from "./arguments.ts";
import { checkDuplicates } from "./duplicates.ts";
import { checkFiles } from "./files.ts";
import { checkIdentity } from "./identity.ts";
import { type Finding, Inspection, type PlistFile } from "./inspection.ts";
import { checkLifetime } from "./lifetime.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { checkMacos } from "./macos.ts";
import { checkProgram } from "./program.ts";
import { checkSecrets } from "./secrets.ts";
import { checkSettings } from "./settings.ts";
import { checkSockets } from "./sockets.ts";
import { checkTakeover } from "./takeover.ts";
import { checkValues } from "./values.ts";

export type { Finding } from "./inspection.ts";

/** A file in a folder `LaunchAgents` is an agent's; anywhere else it is judged as a daemon's, which asks more of it. */
export function kindOf(path: string): "daemon" | "agent" {
  return basename(dirname(resolve(path))) === "LaunchAgents" ? "agent" : "daemon";
}

/** What the checks have found, and what they read on the way; null where it could not be read. */
export interface Examination {
  findings: Finding[];
  job: Dictionary | null;
  settings: Settings | null;
}

/**
 * Lists all that launchd or this program would reject or misread; with `portable` only what is so on every machine. Changes
 * nothing.
 */
export async function checkPlist(
  file: PlistFile,
  machine: Machine = thisMachine,
  portable = false,
): Promise<Examination> {
  let reading: Reading;
  try {
    reading = parsePlist(file.bytes);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [reason = "", fix = "begin with what --print-plist writes"] = error.message.split("; ");
    const finding: Finding = { severity: "error", key: "file", why: `it is not a property list: ${reason}`, fix };
    return { findings: [finding], job: null, settings: null };
  }
  const { value: job, duplicates } = reading;
  const inspection = new Inspection(job, file.kind, machine, portable);
  checkDuplicates(inspection, duplicates);
  checkIdentity(inspection, file);
  checkSettings(inspection);
  checkSecrets(inspection);
  checkProgram(inspection);
  checkArguments(inspection);
  checkValues(inspection);
  await checkSockets(inspection);
  checkFiles(inspection, file.makesLog);
  checkTakeover(inspection);
  checkMacos(inspection);
  checkLifetime(inspection);
  return { findings: inspection.findings, job, settings: inspection.settings };
}
