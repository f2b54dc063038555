import { readlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { socketPathDanger } from "../../program/socket-path.ts";
import { searchPath, standardPath } from "../../system/path-search.ts";
import { isWritableByOthers, sticky } from "../../system/permissions.ts";
import { type Dictionary, isDictionary, type PlistValue } from "../plist/value.ts";
import { changeable, may, stat } from "./access.ts";
import { type Inspection, own } from "./inspection.ts";
import { isStrings } from "./settings.ts";

/** By what an ordinary user could take a job of root over: files and folders that root uses and that others may change. */
export function checkTakeover(inspection: Inspection): void {
  if (inspection.portable || !runsAsRoot(inspection)) return;
  checkFolder(inspection);
  checkStreams(inspection);
  checkArguments(inspection);
  checkSearch(inspection);
  checkLoader(inspection);
  checkSocketFolders(inspection);
}

/** A daemon without UserName, or with root's. */
export function runsAsRoot({ kind, account }: Inspection): boolean {
  return kind === "daemon" && account?.uid === 0;
}

function checkFolder(inspection: Inspection): void {
  const { WorkingDirectory } = inspection.job;
  if (typeof WorkingDirectory !== "string" || !WorkingDirectory.startsWith("/")) return;
  refuse(inspection, "WorkingDirectory", `the job runs as root in ${WorkingDirectory}`, WorkingDirectory);
}

/** launchd follows links (launchd-842, core.c:5168-5234). */
function checkStreams(inspection: Inspection): void {
  for (const key of ["StandardOutPath", "StandardErrorPath"]) {
    const path = own(inspection.job, key);
    if (typeof path !== "string" || !path.startsWith("/")) continue;
    // Who may change the log itself can forge lines, and no more.
    const places = [path, ...linkTarget(path)].map((place) => dirname(place));
    for (const place of places) {
      if (refuse(inspection, key, `launchd appends to ${path} as root, also where that is a link`, place)) break;
    }
  }
  const input = own(inspection.job, "StandardInPath");
  if (typeof input !== "string" || !input.startsWith("/") || stat(input)?.isCharacterDevice()) return;
  refuse(inspection, "StandardInPath", `root's program reads ${input}`, input);
}

/** Scripts above all; what else is a file that root's program is told of. */
function checkArguments(inspection: Inspection): void {
  const words = own(inspection.job, "ProgramArguments");
  if (inspection.program === null || !isStrings(words)) return;
  const first = words.length - inspection.program.length;
  for (const [index, word] of words.entries()) {
    if (index <= first) continue;
    const text = word.replace(/^-[^=/]*=/, "");
    const path = resolve(inspection.workingFolder, text);
    if (text === "" || !stat(path)?.isFile()) continue;
    refuse(inspection, `ProgramArguments[${index}]`, `root's program is given ${path}`, path);
  }
}

/** The folders of PATH in which a bare name is looked for, up to that where it is found. */
function checkSearch(inspection: Inspection): void {
  const words = own(inspection.job, "ProgramArguments");
  const [name] = inspection.program ?? [];
  if (name === undefined || name.includes("/") || !isStrings(words)) return;
  const { PATH } = inspection.environment;
  const first = words.length - (inspection.program?.length ?? 0);
  const key = PATH === undefined ? `ProgramArguments[${first}]` : "EnvironmentVariables.PATH";
  for (const candidate of searchPath(name, PATH ?? standardPath, inspection.workingFolder)) {
    const folder = dirname(candidate);
    if (refuse(inspection, key, `root looks for ${name} in ${folder}`, folder)) return;
    if (stat(candidate)?.isFile() && inspection.account !== null && may(inspection.account, "execute", candidate))
      return;
  }
}

/** What the dynamic loader reads: dyld(1), ld.so(8). */
function checkLoader(inspection: Inspection): void {
  for (const [name, value] of Object.entries(inspection.environment)) {
    if (!/^(DYLD|LD)_/.test(name)) continue;
    for (const entry of value.split(name === "LD_PRELOAD" ? /[: ]/ : ":")) {
      if (!entry.includes("/")) continue;
      const path = resolve(inspection.workingFolder, entry);
      if (refuse(inspection, `EnvironmentVariables.${name}`, `root's program loads what is in ${path}`, path)) break;
    }
  }
}

/** Who may change the folder of a socket can put one of their own in its place. */
function checkSocketFolders(inspection: Inspection): void {
  for (const { target, variable } of inspection.routes) {
    if (target?.kind !== "unix") continue;
    const key = inspection.settingKey(variable ?? "LAUNCH_DAEMON_ROUTES");
    const path = resolve(inspection.workingFolder, target.path);
    const danger = socketPathDanger(path);
    if (danger !== undefined) inspection.error(key, danger.why, danger.fix);
    else refuse(inspection, key, `root passes connections on to ${path}`, dirname(path));
  }
  const sockets = own(inspection.job, "Sockets");
  for (const [name, value] of Object.entries<PlistValue>(isDictionary(sockets) ? sockets : {})) {
    const entries = (Array.isArray(value) ? value : [value]).filter((entry): entry is Dictionary =>
      isDictionary(entry),
    );
    for (const entry of entries) {
      const path = own(entry, "SockPathName");
      if (typeof path !== "string" || !path.startsWith("/")) continue;
      // launchd binds it once; in a sticky folder nobody can replace it then.
      const weak = changeable(dirname(path));
      if (weak !== null) tell(inspection, `Sockets.${name}.SockPathName`, `clients connect to root's ${path}`, weak);
    }
  }
}

/** Returns whether it was an error. */
function refuse(inspection: Inspection, key: string, what: string, path: string): boolean {
  const weak = weakness(path);
  if (weak !== null) tell(inspection, key, what, weak);
  return weak !== null;
}

function tell(inspection: Inspection, key: string, what: string, weak: string): void {
  const found = stat(weak);
  const isShared = found?.isDirectory() && (found.mode & sticky) !== 0;
  const fix = isShared
    ? "name a UserName, or choose a folder that only root may write to"
    : `name a UserName, or make ${weak} root's own: sudo chown root ${weak}; sudo chmod go-w ${weak}`;
  inspection.error(key, `${what}, and ordinary users can change ${weak}`, fix);
}

/** What an ordinary user can change on the way to `path`, in it where it is a folder, or where it is to be; null for nothing. */
function weakness(path: string): string | null {
  const weak = changeable(path);
  if (weak !== null) return weak;
  const found = stat(path);
  if (found === null) return path === "/" ? null : weakness(dirname(path));
  return found.isDirectory() && isWritableByOthers(found) ? path : null;
}

function linkTarget(path: string): string[] {
  try {
    return [resolve(dirname(path), readlinkSync(path))];
  } catch {
    return [];
  }
}
