import { dirname } from "node:path";
import { quote } from "../../errors.ts";
import { socketPathDanger } from "../../program/socket-path.ts";
import { isForShell } from "../../system/path-search.ts";
import { isHidden, may, stat } from "./access.ts";
import type { Inspection } from "./inspection.ts";
import { runsAsRoot } from "./takeover.ts";

/** The folder that the job works in, its logs, and the path of the program's socket. */
export function checkFiles(inspection: Inspection, makesLog?: string): void {
  checkFolder(inspection);
  const logs = new Map<string, string>();
  for (const key of ["StandardOutPath", "StandardErrorPath"]) {
    const path = inspection.text(key);
    // One path for both is one mistake.
    if (path !== undefined && ![...logs.values()].includes(path)) logs.set(key, path);
  }
  for (const [key, path] of logs) {
    if (path !== makesLog || stat(path) !== null) checkLog(inspection, key, path);
  }
  if (inspection.portable) return;
  for (const { target, variable } of inspection.routes) {
    if (target?.kind === "unix")
      checkSocketPath(inspection, inspection.settingKey(variable ?? "LAUNCH_DAEMON_ROUTES"), target.path);
  }
}

function checkFolder(inspection: Inspection): void {
  const key = "WorkingDirectory";
  const path = inspection.text(key);
  const { account } = inspection;
  if (path === undefined) return;
  if (!path.startsWith("/")) {
    inspection.error(key, notAbsolute(path), "write the whole path");
    return;
  }
  if (inspection.portable) return;
  const found = stat(path);
  if (found === null && isHidden(path)) {
    inspection.noteHidden(key, path);
  } else if (found === null) {
    inspection.error(key, `there is no ${path}, so the job does not start`, `mkdir ${path}, or leave the key out`);
  } else if (!found.isDirectory()) {
    inspection.error(key, `${path} is not a folder, so the job does not start`, "name a folder");
  } else if (account !== null && !may(account, "execute", path)) {
    inspection.error(key, `${account.name} may not enter ${path}`, `chmod a+x ${path}, and check the folders above it`);
  }
}

function notAbsolute(path: string): string {
  return `${quote(path)} is not an absolute path${isForShell(path) ? ", and launchd expands nothing" : ""}`;
}

/** launchd opens the logs as the job's user, and says nothing when that fails. */
function checkLog(inspection: Inspection, key: string, path: string): void {
  const { account } = inspection;
  if (!path.startsWith("/")) {
    inspection.error(key, notAbsolute(path), "write the whole path");
    return;
  }
  if (inspection.portable) return;
  const found = stat(path);
  const folder = dirname(path);
  if (found?.isDirectory()) {
    inspection.error(key, `${path} is a folder`, "name a file in it");
  } else if (found !== null) {
    if (account === null || may(account, "write", path)) return;
    const why = `${account.name} may not write to ${path}, so all output is lost`;
    inspection.error(key, why, `sudo chown ${account.name} ${path}`);
  } else if (isHidden(path)) {
    inspection.noteHidden(key, path);
  } else if (!stat(folder)?.isDirectory()) {
    inspection.error(key, `there is no folder ${folder}, so all output is lost`, `sudo mkdir -p ${folder}`);
  } else if (account !== null && !(may(account, "write", folder) && may(account, "execute", folder))) {
    const why = `${account.name} may not make files in ${folder}, so all output is lost`;
    inspection.error(key, why, `sudo touch ${path}; sudo chown ${account.name} ${path}`);
  }
}

/** A fixed path of the program's socket, as the program itself judges it at its start; in a job of root it is an error (takeover.ts). */
function checkSocketPath(inspection: Inspection, key: string, path: string): void {
  if (runsAsRoot(inspection)) return;
  const danger = socketPathDanger(path);
  if (danger !== undefined) inspection.note(key, danger.why, danger.fix);
}
