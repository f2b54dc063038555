import { readFileSync, rmSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { formatAddress } from "../address.ts";
import { reasonOf, UserError } from "../log.ts";
import type { Settings } from "../options.ts";
import { defaultExitTimeout, exitTimeoutOf } from "./exit-timeout.ts";
import { contactsOf } from "./knock.ts";
import type { Launchctl } from "./launchctl.ts";
import type { Place } from "./places.ts";
import { type Dictionary, readPlist } from "./plist.ts";
import { startService, stopService, waitUntilUp } from "./running.ts";
import { type StagedFile, stageFile } from "./staged-file.ts";
import { own } from "./subject.ts";

/** A service that has passed the checks: exactly these bytes are installed. */
export interface Installable {
  label: string;
  bytes: Uint8Array;
  job: Dictionary;
  settings: Settings;
}

/** What lay at the service's place before, to be put back if need be. */
interface Before {
  file: { bytes: Uint8Array; stats: Stats } | null;
  /** The plist that launchd has loaded a service of that label from; null if it has none. */
  loadedFrom: string | null;
}

/** The commands and files of an installation, in words, for --dry-run. */
export async function installationSteps(
  { label, job, settings }: Installable,
  place: Place,
  launchctl: Launchctl,
): Promise<string[]> {
  const path = plistPath(label, place);
  const before = await remember(label, path, launchctl);
  const [contact] = contactsOf(job, settings);
  const owner = place.kind === "daemon" ? "root:wheel, " : "";
  return [
    ...(before.loadedFrom === null ? [] : [`launchctl bootout ${place.domain}/${label}`]),
    `${before.file === null ? "write" : "replace"} ${path} (${owner}mode 0644)`,
    `launchctl enable ${place.domain}/${label}`,
    `launchctl bootstrap ${place.domain} ${path}`,
    ...(contact === undefined ? [] : [`connect to ${formatAddress(contact)}`]),
  ];
}

/**
 * Puts the plist in its place, has launchd run it, and waits until it does. When it does not come up, or the signal
 * aborts, all is put back as it was. Throws a UserError.
 */
export async function install(
  { label, bytes, job, settings }: Installable,
  place: Place,
  launchctl: Launchctl,
  signal: AbortSignal,
): Promise<void> {
  const path = plistPath(label, place);
  const before = await remember(label, path, launchctl);
  const staged = stageFile(path, bytes, place.kind === "daemon" ? { uid: 0, gid: 0 } : null);
  try {
    if (before.loadedFrom !== null) await stopService(launchctl, label, stopPatience(before), signal);
    staged.commit();
    await startService(launchctl, label, path, signal);
    await waitUntilUp(launchctl, label, contactsOf(job, settings)[0] ?? null, signal);
  } catch (error) {
    const after = await putBack(before, label, path, staged, launchctl, stopPatience({ file: { bytes } }));
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`cannot install ${label}: ${error.message}; ${after}${logAdvice(job)}`);
  } finally {
    staged.discard();
  }
}

/** Where a service's plist is. */
export function plistPath(label: string, place: Place): string {
  return join(place.folder, `${label}.plist`);
}

/** The commands and files of an uninstallation, done unless `dryRun`, in words. Throws a UserError. */
export async function uninstall(label: string, place: Place, launchctl: Launchctl, dryRun: boolean): Promise<string[]> {
  const path = plistPath(label, place);
  const before = await remember(label, path, launchctl);
  const { file, loadedFrom } = before;
  if (file === null && loadedFrom === null) {
    const other = place.kind === "daemon" ? "an agent is its user's to uninstall, without sudo" : "a daemon takes sudo";
    throw new UserError(`cannot uninstall ${label}: there is no ${path}, and launchd knows no such service; ${other}`);
  }
  refuseForeign(label, path, file?.bytes);
  const steps: string[] = [];
  if (loadedFrom !== null) {
    steps.push(`launchctl bootout ${place.domain}/${label}`);
    if (!dryRun) await stopService(launchctl, label, stopPatience(before)).catch(explain(`cannot uninstall ${label}`));
  }
  if (file !== null) {
    steps.push(`remove ${path}`);
    if (!dryRun) rmSync(path);
  }
  return steps;
}

/** Reads what is there before anything is changed. */
async function remember(label: string, path: string, launchctl: Launchctl): Promise<Before> {
  const state = await launchctl.print(label);
  const loadedFrom = state === null ? null : (state.path ?? path);
  try {
    return { file: { bytes: readFileSync(path), stats: statSync(path) }, loadedFrom };
  } catch (error) {
    if (reasonOf(error) === "ENOENT") return { file: null, loadedFrom };
    throw new UserError(`cannot read ${path}, which is to be replaced: ${reasonOf(error)}; move it away`);
  }
}

/** Returns what has become of it, for a sentence. */
async function putBack(
  { file, loadedFrom }: Before,
  label: string,
  path: string,
  staged: StagedFile,
  launchctl: Launchctl,
  patience: number,
): Promise<string> {
  try {
    if (staged.committed) {
      if ((await launchctl.print(label)) !== null) await stopService(launchctl, label, patience);
      if (file === null) rmSync(path, { force: true });
      else stageFile(path, file.bytes, file.stats, file.stats.mode & 0o777).commit();
    }
    if (loadedFrom === null) return file === null ? "nothing is installed" : "the file that was there is back";
    if ((await launchctl.print(label)) === null) await startService(launchctl, label, loadedFrom);
    return "the service that was there is back";
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return `what was there before could not be put back: ${error.message}`;
  }
}

/** How long a service may take to end: what its plist allows, and a while for launchd; milliseconds. */
function stopPatience({ file }: { file: { bytes: Uint8Array } | null }): number {
  let seconds = defaultExitTimeout;
  try {
    if (file !== null) seconds = exitTimeoutOf(readPlist(file.bytes)) ?? defaultExitTimeout;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
  // 0 is "never".
  return ((seconds === 0 ? 600 : seconds) + 10) * 1000;
}

/** A slip in the label must not remove somebody else's service. */
function refuseForeign(label: string, path: string, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) return;
  const words = own(readPlist(bytes), "ProgramArguments");
  const program = Array.isArray(words) ? String(words[0]) : "";
  if (program.endsWith("/launch_socket_server")) return;
  throw new UserError(
    `cannot uninstall ${label}: ${path} does not run launch_socket_server but ${program || "something else"}; remove it with launchctl bootout if that is meant`,
  );
}

function logAdvice(job: Dictionary): string {
  const log = own(job, "StandardErrorPath");
  return typeof log === "string" ? `; see ${log}` : "; name a log by --log to see why";
}

function explain(attempt: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof UserError ? new UserError(`${attempt}: ${error.message}`) : error;
  };
}
