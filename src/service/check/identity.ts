import { basename, dirname, resolve } from "node:path";
import { quote, UserError } from "../../errors.ts";
import { nearest } from "../../settings/suggest.ts";
import { parseLabel } from "../description.ts";
import type { PlistFile } from "./inspection.ts";
import { type Inspection, own } from "./inspection.ts";

/** The keys that mean something to this program or to what the checks look at (launchd.plist(5)). */
const keys = [
  "Label",
  "UserName",
  "GroupName",
  "Program",
  "ProgramArguments",
  "EnvironmentVariables",
  "WorkingDirectory",
  "Sockets",
  "RunAtLoad",
  "KeepAlive",
  "ExitTimeOut",
  "ThrottleInterval",
  "StandardInPath",
  "StandardOutPath",
  "StandardErrorPath",
];

/** Who the job is, whose file it is, and who it runs as. */
export function checkIdentity(inspection: Inspection, file: PlistFile): void {
  for (const key of Object.keys(inspection.job)) {
    const meant = keys.includes(key) ? undefined : nearest(key, keys, 2);
    if (meant !== undefined && own(inspection.job, meant) === undefined) {
      inspection.note(key, "launchd does not know this key and ignores it", `write ${meant} if that is meant`);
    }
  }
  checkLabel(inspection, file);
  checkFile(inspection, file);
  checkUser(inspection);
}

function checkLabel(inspection: Inspection, { path, stats }: PlistFile): void {
  const label = inspection.text("Label");
  if (label === undefined) {
    if (own(inspection.job, "Label") === undefined) {
      inspection.error(
        "Label",
        "it is missing, and launchd loads no job without a name",
        "add one like com.example.web",
      );
    }
    return;
  }
  try {
    parseLabel(label);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    inspection.error("Label", error.message.replace(/; .*/, ""), "choose one like com.example.web");
    return;
  }
  if (/\s/.test(label)) {
    inspection.note("Label", "it has white space in it, so every command about it needs quotes", "leave that out");
  }
  const name = basename(path).replace(/\.plist$/, "");
  const isFile = path !== "-" && (stats?.isFile() ?? true);
  if (isFile && (name !== label || !path.endsWith(".plist"))) {
    const why = `it is ${quote(label)}, and the file's name is ${quote(basename(path))}`;
    inspection.note("Label", why, `name the file ${label}.plist, or give the job the file's name`);
  }
}

/**
 * launchd refuses files in its folders that somebody else could have written: 122, "Path had bad ownership/permissions";
 * which those are, launchd-842 says in support/launchctl.c:1274-1281.
 */
function checkFile(inspection: Inspection, { path, stats }: PlistFile): void {
  const folder = dirname(resolve(path));
  if (
    inspection.portable ||
    stats === null ||
    !(folder === inspection.machine.daemons || /\/Launch(Daemons|Agents)$/.test(folder))
  )
    return;
  if (folder === inspection.machine.daemons && stats.uid !== 0) {
    inspection.error("file", "root does not own it, so launchd refuses it", `sudo chown root:wheel ${path}`);
  }
  if ((stats.mode & 0o022) !== 0) {
    const sudo = stats.uid === 0 ? "sudo " : "";
    inspection.error(
      "file",
      "users other than its owner may write to it, so launchd refuses it",
      `${sudo}chmod 644 ${path}`,
    );
  }
}

function checkUser(inspection: Inspection): void {
  const { kind, machine } = inspection;
  const user = inspection.text("UserName");
  const group = inspection.text("GroupName");
  if (inspection.portable) {
    if (user === "root") noteRoot(inspection);
    if (kind === "daemon") requireUser(inspection);
    return;
  }
  if (group !== undefined && !machine.hasGroup(group)) {
    inspection.error("GroupName", `this machine has no group ${quote(group)}`, "name a group that it has");
  }
  const account = user === undefined ? null : machine.user(user);
  if (user !== undefined && account === null) {
    inspection.error("UserName", `this machine has no user ${quote(user)}`, "name a user that it has");
    return;
  }
  if (kind === "agent") {
    inspection.account = machine.self();
    if (account !== null && account.uid !== inspection.account.uid) {
      inspection.note("UserName", "launchd honours it only in daemons; an agent runs as its own user", "leave it out");
    }
    return;
  }
  requireUser(inspection);
  if (account?.uid === 0) noteRoot(inspection);
  inspection.account = account ?? machine.user("root");
}

function requireUser(inspection: Inspection): void {
  if (own(inspection.job, "UserName") !== undefined) return;
  inspection.error(
    "UserName",
    "it is missing, so a daemon and its program run as root",
    "name a user with no other rights, or make it an agent in ~/Library/LaunchAgents",
  );
}

function noteRoot(inspection: Inspection): void {
  inspection.note("UserName", "the program runs as root", "name a user with no other rights");
}
