import { closeSync, constants, openSync, readSync } from "node:fs";
import { isIP } from "node:net";
import { basename, resolve } from "node:path";
import { formatAddress } from "../../address.ts";
import { canonicalHost, isLoopback } from "../../system/ip.ts";
import { protectedFolder } from "../../system/privacy.ts";
import { stat } from "./access.ts";
import { type Inspection, own } from "./inspection.ts";
import { isStrings } from "./settings.ts";

/** What macOS does to jobs, whatever their permissions are. */
export function checkMacos(inspection: Inspection): void {
  checkProtectedFolders(inspection);
  if (!inspection.portable) checkLocalNetwork(inspection);
  checkDynamicLinker(inspection);
}

/** Paths in folders that background jobs are kept out of. */
function checkProtectedFolders(inspection: Inspection): void {
  const { job, machine } = inspection;
  const words = own(job, "ProgramArguments");
  const paths: [string, unknown][] = [
    ...["Program", "WorkingDirectory", "StandardInPath", "StandardOutPath", "StandardErrorPath"].map(
      (key): [string, unknown] => [key, own(job, key)],
    ),
    ...(isStrings(words) ? words : []).map((word, index): [string, unknown] => [`ProgramArguments[${index}]`, word]),
    ...inspection.routes.map(({ target, variable }): [string, unknown] => [
      inspection.settingKey(variable ?? "LAUNCH_DAEMON_ROUTES"),
      target?.kind === "unix" ? target.path : undefined,
    ]),
  ];
  for (const [key, path] of paths) {
    const folder = typeof path === "string" ? protectedFolder(path, machine.homes) : null;
    if (folder === null) continue;
    const why = `macOS keeps background jobs out of ${folder} (EPERM) until they are given Full Disk Access, whoever owns it`;
    inspection.note(key, why, "put it elsewhere, such as into another folder of the home folder");
  }
}

/** Local Network privacy (Apple's TN3179): daemons are exempt. */
function checkLocalNetwork(inspection: Inspection): void {
  if (inspection.kind !== "agent") return;
  for (const { target } of inspection.routes) {
    if (target?.kind !== "tcp") continue;
    const host = canonicalHost(target.host);
    if (
      isIP(target.host) === 0 ||
      isLoopback(host) ||
      inspection.machine.addresses().map(canonicalHost).includes(host)
    ) {
      continue;
    }
    const why = `since macOS 15 an agent gets EHOSTUNREACH from the local network until its user allows it, and ${formatAddress(target)} may be there`;
    const fix = "allow it in System Settings, Privacy & Security, Local Network, or make it a daemon";
    inspection.note(inspection.settingKey("LAUNCH_PROGRAM_TCP_ADDRESS"), why, fix);
  }
}

/** System Integrity Protection (dyld(1)): the system's own programs lose these variables, and so does what they start. */
function checkDynamicLinker(inspection: Inspection): void {
  const [name = ""] = inspection.program ?? [];
  const through = basename(name) === "login_wrapper" ? "login_wrapper" : protectedProgram(name, inspection);
  if (through === null) return;
  for (const variable of Object.keys(inspection.environment)) {
    if (!variable.startsWith("DYLD_")) continue;
    const why = `macOS takes it from what ${through} starts, since System Integrity Protection covers the system's own programs`;
    inspection.note(
      `EnvironmentVariables.${variable}`,
      why,
      "start the server by its own path, or set the variable in a script that starts it",
    );
  }
}

const systemFolders = /^\/(bin|sbin|usr\/bin|usr\/sbin|usr\/libexec|System)\//;

/** The system's own program that is run, or that interprets what is run; null where it is neither. */
function protectedProgram(name: string, { job, portable }: Inspection): string | null {
  if (!name.includes("/")) return null;
  const folder = own(job, "WorkingDirectory");
  const path = resolve(typeof folder === "string" ? folder : "/", name);
  if (systemFolders.test(path)) return path;
  if (portable) return null;
  const [, interpreter = ""] = firstBytes(path).match(/^#!\s*(\S+)/) ?? [];
  return systemFolders.test(interpreter) ? interpreter : null;
}

/** As many as a first line may have (IMG_SHSIZE of xnu's bsd/sys/imgact.h). */
function firstBytes(path: string): string {
  const bytes = Buffer.alloc(512);
  try {
    if (!stat(path)?.isFile()) return "";
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return bytes.toString("latin1", 0, readSync(fd, bytes));
    } finally {
      closeSync(fd);
    }
  } catch {
    return "";
  }
}
