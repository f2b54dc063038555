import { rmSync } from "node:fs";
import { UserError } from "../../errors.ts";
import { stat } from "../check/access.ts";
import { own } from "../check/inspection.ts";
import type { Domain } from "../launchd/domain.ts";
import { isUnchanged, lookAt, plistPath, stopPatience } from "../launchd/installed.ts";
import type { Launchctl } from "../launchd/launchctl.ts";
import { stopService } from "../launchd/loading.ts";
import { foreign } from "../launchd/ownership.ts";
import type { Dictionary } from "../plist/value.ts";
import { replacedFiles } from "./kept-file.ts";

/** What an uninstallation does. */
export interface Uninstallation {
  /** Its commands and files, in words. */
  steps: string[];
  /** The plists that --replace has kept, which stay. */
  kept: string[];
  /** The logs of its job that are there, which stay. */
  logs: string[];
}

/** The commands and files of an uninstallation where a service of that label is loaded, in words. */
export function uninstallationSteps(label: string, domain: Domain): string[] {
  return [`launchctl bootout ${domain.name}/${label}`, `remove ${plistPath(label, domain)}`];
}

/** Stops a service of ours and removes its plist, unless `dryRun`. Throws a UserError, also for what is not ours. */
export async function uninstall(
  label: string,
  domain: Domain,
  launchctl: Launchctl,
  dryRun: boolean,
): Promise<Uninstallation> {
  const before = await lookAt(label, domain, launchctl);
  const { path, loaded, file } = before;
  const refuse = (why: string) => {
    throw new UserError(`cannot uninstall ${label}: ${why}`);
  };
  if (file === null && loaded === null) {
    const other =
      domain.kind === "daemon" ? "an agent is its user's to uninstall, without sudo" : "a daemon takes sudo";
    refuse(`there is no ${path}, and launchd knows no such service; ${other}`);
  }
  const theirs = foreign(before);
  if (theirs !== null) {
    const byHand = loaded === null ? "remove it by hand" : `use launchctl bootout ${domain.name}/${label}`;
    refuse(`${theirs.why}; ${theirs.replaceable ? `${byHand} if that is meant` : "it is left alone"}`);
  }

  const steps: string[] = [];
  const [stop = "", remove = ""] = uninstallationSteps(label, domain);
  if (loaded !== null) {
    steps.push(stop);
    if (!dryRun) {
      await stopService(launchctl, label, stopPatience(loaded, file?.job ?? null)).catch((error) =>
        error instanceof UserError ? refuse(error.message) : Promise.reject(error),
      );
    }
  }
  if (file !== null) {
    steps.push(remove);
    // The stop may have taken a while.
    if (!dryRun && !isUnchanged(path, file.stats)) refuse(`${path} has changed meanwhile; look at it, and try again`);
    if (!dryRun) rmSync(path);
  }
  return { steps, kept: replacedFiles(path), logs: logsOf(file?.job ?? {}) };
}

function logsOf(job: Dictionary): string[] {
  const paths = ["StandardOutPath", "StandardErrorPath"].map((key) => own(job, key));
  const files = paths.filter((path): path is string => typeof path === "string" && stat(path)?.isFile() === true);
  return [...new Set(files)];
}
