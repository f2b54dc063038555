import { existsSync, rmSync } from "node:fs";
import { formatAddress } from "../../address.ts";
import type { Status } from "../../control/protocol.ts";
import { UserError } from "../../errors.ts";
import type { Settings } from "../../settings/options.ts";
import { own } from "../check/inspection.ts";
import type { Account } from "../check/machine.ts";
import { contactsOf, takesRoot } from "../launchd/contacts.ts";
import type { Domain } from "../launchd/domain.ts";
import { type Installed, isUnchanged, lookAt, stopPatience } from "../launchd/installed.ts";
import type { Launchctl } from "../launchd/launchctl.ts";
import { startService, stopService } from "../launchd/loading.ts";
import { type Foreign, foreign } from "../launchd/ownership.ts";
import type { Dictionary } from "../plist/value.ts";
import { type KeptFile, keepFile, replacedName } from "./kept-file.ts";
import { makeLog } from "./log-file.ts";
import type { Sight } from "./probe.ts";
import { type StagedFile, stageFile } from "./staged-file.ts";
import { waitUntilUp } from "./up.ts";

/** A service that has passed the checks: exactly these bytes are installed. */
export interface Installable {
  label: string;
  bytes: Uint8Array;
  job: Dictionary;
  settings: Settings;
  /** Whether it may take the place of what is not ours. */
  replace: boolean;
  /** The log to be made first, and whose it is; null for none. */
  log: { path: string; account: Account | null } | null;
}

/** What has come of an installation, and what it has taken the place of, where that was not ours. */
export interface Installation {
  /** The new name of the plist that was at our place; null if there was none, or ours. */
  kept: string | null;
  /** The plist elsewhere that launchd had loaded the label from; null if it had not. */
  elsewhere: string | null;
  /** What clients saw of it then. */
  sights: Sight[];
  /** What the daemon said of itself then; null where it could not be asked. */
  status: Status | null;
}

/**
 * The commands and files of an installation, in words, for --dry-run; without launchctl (null) as if launchd had no such service.
 * Throws a UserError where it would be refused.
 */
export async function installationSteps(
  service: Installable,
  domain: Domain,
  launchctl: Launchctl | null,
): Promise<string[]> {
  const { label, job, settings, log } = service;
  const before = await lookAt(label, domain, launchctl);
  const { path, loaded, file } = before;
  const theirs = refuseForeign(before, service.replace);
  const owner = domain.kind === "daemon" ? "root:wheel, " : "";
  return [
    ...(log === null || log.account === null
      ? []
      : [`make ${log.path} (${log.account.name}, mode 0640) unless it is there`]),
    ...(loaded === null ? [] : [`launchctl bootout ${domain.name}/${label}`]),
    ...(theirs !== null && file !== null ? [`keep ${path} as ${replacedName(path)}`] : []),
    `${file === null ? "write" : "replace"} ${path} (${owner}mode 0644)`,
    `launchctl enable ${domain.name}/${label}`,
    `launchctl bootstrap ${domain.name} ${path}`,
    ...contactsOf(job, settings).map((contact) => `connect to ${formatAddress(contact)}`),
  ];
}

/**
 * Puts the plist in its place, has launchd run it, and waits until it does. When it does not come up, or the signal
 * aborts, all is put back as it was. Throws a UserError; nothing is changed then where the place is somebody else's.
 */
export async function install(
  service: Installable,
  domain: Domain,
  launchctl: Launchctl,
  signal: AbortSignal,
): Promise<Installation> {
  const { label, bytes, job, settings } = service;
  const before = await lookAt(label, domain, launchctl);
  const { path, loaded, file } = before;
  const theirs = refuseForeign(before, service.replace);
  if (service.log !== null) makeLog(service.log.path, service.log.account);
  const staged = stageFile(path, bytes, domain.kind === "daemon" ? { uid: 0, gid: 0 } : null);
  let kept: KeptFile | null = null;
  let seen: Pick<Installation, "sights" | "status">;
  try {
    if (loaded !== null) await stopService(launchctl, label, stopPatience(loaded, file?.job ?? null), signal);
    // That may have taken a while.
    if (file !== null) kept = keepFile(path, file.stats, { replaced: theirs !== null });
    else if (!isUnchanged(path, undefined)) throw new UserError(`${path} has come meanwhile`);
    staged.commit();
    await startService(launchctl, label, path, signal);
    seen = await waitUntilUp(launchctl, label, contactsOf(job, settings), signal);
  } catch (error) {
    const after = await putBack(before, kept, staged, launchctl, stopPatience(null, job));
    if (!(error instanceof UserError)) throw error;
    const way = domain.kind === "agent" && takesRoot(job, settings) ? lowPortAdvice : "";
    throw new UserError(`cannot install ${label}: ${error.message}; ${after}${way}${logAdvice(job)}`);
  } finally {
    staged.discard();
  }
  const elsewhere = theirs !== null && loaded?.path !== undefined && loaded.path !== path ? loaded.path : null;
  if (theirs !== null) return { kept: kept?.name ?? null, elsewhere, ...seen };
  kept?.discard();
  return { kept: null, elsewhere: null, ...seen };
}

/** Returns what is somebody else's and may be replaced; null for what is ours. Throws a UserError. */
function refuseForeign(before: Installed, replace: boolean): Foreign | null {
  const theirs = foreign(before);
  if (theirs === null || (theirs.replaceable && replace)) return theirs;
  const advice = theirs.replaceable ? ", or take its place with --replace" : "";
  throw new UserError(`cannot install ${before.label}: ${theirs.why}; choose another label${advice}`);
}

/** Returns what has become of it, for a sentence. */
async function putBack(
  before: Installed,
  kept: KeptFile | null,
  staged: StagedFile,
  launchctl: Launchctl,
  patience: number,
): Promise<string> {
  const { label, path, loaded, file, disabled } = before;
  try {
    if (staged.committed) {
      if ((await launchctl.print(label)) !== null) await stopService(launchctl, label, patience);
      if (kept === null) rmSync(path, { force: true });
      else kept.restore();
    } else {
      kept?.discard();
    }
    if (loaded?.path === undefined) return file === null ? "nothing is installed" : "the file that was there is back";
    if (!existsSync(loaded.path))
      return `the service that was there is not back: its plist ${loaded.path} was gone before`;
    if ((await launchctl.print(label)) === null) await startService(launchctl, label, loaded.path);
    return "the service that was there is back";
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return `what was there before could not be put back: ${error.message}`;
  } finally {
    // Loading takes enabling; what somebody has disabled must not come up at the next start.
    if (disabled) await launchctl.disable(label);
  }
}

/** launchd binds such a port for a daemon; no Mac has shown yet that it does for an agent (on the wildcard address it does). */
const lowPortAdvice =
  "; launchd may not give an agent a port under 1024 on one address: install it as a daemon, by sudo, or take a port from 1024 on";

function logAdvice(job: Dictionary): string {
  const log = own(job, "StandardErrorPath");
  return typeof log === "string" ? `; see ${log}` : "; name a log by --log to see why";
}
