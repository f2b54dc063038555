import { dirname } from "node:path";
import { quote } from "../../errors.ts";
import { socketPathDanger } from "../../program/socket-path.ts";
import { changeable, isHidden, may, stat } from "./access.ts";
import type { Subject } from "./inspection.ts";

/** The folder that the job works in, its logs, and the path of the program's socket. */
export function checkFiles(subject: Subject): void {
  checkFolder(subject);
  const logs = new Map<string, string>();
  for (const key of ["StandardOutPath", "StandardErrorPath"]) {
    const path = subject.text(key);
    // One path for both is one mistake.
    if (path !== undefined && ![...logs.values()].includes(path)) logs.set(key, path);
  }
  for (const [key, path] of logs) checkLog(subject, key, path);
  for (const { target, variable } of subject.routes) {
    if (target?.kind === "unix")
      checkSocketPath(subject, subject.settingKey(variable ?? "LAUNCH_DAEMON_ROUTES"), target.path);
  }
}

function checkFolder(subject: Subject): void {
  const key = "WorkingDirectory";
  const path = subject.text(key);
  const { account } = subject;
  if (path === undefined) return;
  const found = path.startsWith("/") ? stat(path) : null;
  if (!path.startsWith("/")) {
    subject.error(key, `${quote(path)} is not an absolute path`, "write the whole path");
  } else if (found === null && isHidden(path)) {
    subject.noteHidden(key, path);
  } else if (found === null) {
    subject.error(key, `there is no ${path}, so that the job does not start`, `mkdir ${path}, or leave the key out`);
  } else if (!found.isDirectory()) {
    subject.error(key, `${path} is not a folder, so that the job does not start`, "name a folder");
  } else if (account !== null && !may(account, "execute", path)) {
    subject.error(key, `${account.name} may not enter ${path}`, `chmod a+x ${path}, and check the folders above it`);
  }
  if (subject.kind === "agent" || account?.uid !== 0) return;
  const weak = changeable(path);
  if (weak === null) return;
  const why = `the job runs as root in ${path}, and ordinary users can change ${weak}`;
  subject.error(
    key,
    why,
    `name a UserName, or make ${weak} root's own: sudo chown root ${weak}; sudo chmod go-w ${weak}`,
  );
}

/** launchd opens the logs as the job's user, and says nothing when that fails. */
function checkLog(subject: Subject, key: string, path: string): void {
  const { account } = subject;
  if (!path.startsWith("/")) {
    subject.error(key, `${quote(path)} is not an absolute path`, "write the whole path");
    return;
  }
  const found = stat(path);
  const folder = dirname(path);
  if (found?.isDirectory()) {
    subject.error(key, `${path} is a folder`, "name a file in it");
  } else if (found !== null) {
    if (account === null || may(account, "write", path)) return;
    const why = `${account.name} may not write to ${path}, so that all output is lost`;
    subject.error(key, why, `sudo chown ${account.name} ${path}`);
  } else if (isHidden(path)) {
    subject.noteHidden(key, path);
  } else if (!stat(folder)?.isDirectory()) {
    subject.error(key, `there is no folder ${folder}, so that all output is lost`, `sudo mkdir -p ${folder}`);
  } else if (account !== null && !(may(account, "write", folder) && may(account, "execute", folder))) {
    const why = `${account.name} may not make files in ${folder}, so that all output is lost`;
    subject.error(key, why, `sudo touch ${path}; sudo chown ${account.name} ${path}`);
  }
}

/** A fixed path of the program's socket, as the program itself judges it at its start. */
function checkSocketPath(subject: Subject, key: string, path: string): void {
  const danger = socketPathDanger(path);
  if (danger !== undefined) subject.note(key, danger.why, danger.fix);
}
