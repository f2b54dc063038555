import { closeSync, constants, openSync, readSync } from "node:fs";
import { isIP } from "node:net";
import { basename, resolve } from "node:path";
import { formatAddress } from "../../address.ts";
import { canonicalHost, isLoopback } from "../../system/ip.ts";
import { protectedFolder } from "../../system/privacy.ts";
import { foreignHome, stat } from "./access.ts";
import { type Inspection, own } from "./inspection.ts";
import { isStrings } from "./settings.ts";

/** What macOS does to jobs, whatever their permissions are. */
export function checkMacos(inspection: Inspection): void {
  checkPlaces(inspection);
  if (!inspection.portable) checkLocalNetwork(inspection);
  checkDynamicLinker(inspection);
}

/** Paths in folders that background jobs are kept out of, or in the home of another user. */
function checkPlaces(inspection: Inspection): void {
  const { account, machine, portable, workingFolder } = inspection;
  const protectedOf = (path: string) => protectedFolder(path, machine.homes);
  const homeOf = (path: string) => (portable || account === null ? null : foreignHome(path, account, machine.homes));
  for (const [key, text] of placesOf(inspection)) {
    const path = resolve(workingFolder, text);
    // What is relative to a working folder in such a place is told with that.
    const untold = (placeOf: (path: string) => string | null) => {
      const place = placeOf(path);
      return text.startsWith("/") || place !== placeOf(workingFolder) ? place : null;
    };
    const folder = untold(protectedOf);
    if (folder !== null) {
      const why = `macOS keeps background jobs out of ${folder} (EPERM) until they are given Full Disk Access, whoever owns it`;
      inspection.note(key, why, "put it elsewhere, such as into another folder of the home folder");
    }
    const owner = untold(homeOf);
    if (owner !== null) {
      const why = `${path} is in the home of ${owner}, and the job runs as ${account?.name}`;
      inspection.note(key, why, `put it elsewhere, or let the job run as ${owner}`);
    }
  }
}

/** The paths that a job uses, each with its key: they may be relative to its working folder. */
function placesOf(inspection: Inspection): [key: string, path: string][] {
  const { job } = inspection;
  const places: [string, unknown][] = [];
  for (const key of ["Program", "WorkingDirectory", "StandardInPath", "StandardOutPath", "StandardErrorPath"]) {
    places.push([key, own(job, key)]);
  }
  const words = own(job, "ProgramArguments");
  for (const [index, word] of (isStrings(words) ? words : []).entries()) {
    places.push([`ProgramArguments[${index}]`, word.replace(/^-[^=/]*=/, "")]);
  }
  for (const { target, variable } of inspection.routes) {
    const key = inspection.settingKey(variable ?? "LAUNCH_DAEMON_ROUTES");
    places.push([key, target?.kind === "unix" ? target.path : undefined]);
  }
  return places.filter((place): place is [string, string] => typeof place[1] === "string" && place[1] !== "");
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
function protectedProgram(name: string, { portable, workingFolder }: Inspection): string | null {
  if (!name.includes("/")) return null;
  const path = resolve(workingFolder, name);
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
