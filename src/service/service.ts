import type { Stats } from "node:fs";
import { resolve } from "node:path";
import { formatAddress } from "../address.ts";
import { reasonOf, UserError } from "../errors.ts";
import { log } from "../log.ts";
import { hasLaunchd, platform } from "../system/platform.ts";
import { protectedFolder } from "../system/privacy.ts";
import { checkPlist, type Examination, kindOf } from "./check/check.ts";
import { own } from "./check/inspection.ts";
import { thisMachine } from "./check/machine.ts";
import { count, plural, report, reportJson } from "./check/report.ts";
import type { ServiceCommand } from "./command.ts";
import type { ServiceDescription } from "./description.ts";
import { daemons, domainOf, launchctl as launchctlProgram } from "./install/domain.ts";
import { install, installationSteps } from "./install/install.ts";
import { plistPath } from "./install/installed.ts";
import { Launchctl } from "./install/launchctl.ts";
import { contactsOf } from "./install/probe.ts";
import { uninstall } from "./install/uninstall.ts";
import { jobOf, ownPath } from "./job.ts";
import { readPlistFile } from "./plist/file.ts";
import { writePlist } from "./plist/write.ts";

/** How this process was called, and by whom. */
export interface Caller {
  argv0: string;
  environment: Record<string, string | undefined>;
  folder: string;
  uid: number;
  /** Whether stdout is a terminal that shows colours. */
  colour: boolean;
}

const machine = { ...thisMachine, daemons };

/** Runs one of the service commands; what it shows goes to `print`, a line or more at a time. Returns the exit code. Throws a UserError. */
export async function runService(
  command: ServiceCommand,
  caller: Caller,
  print: (text: string) => void,
): Promise<number> {
  switch (command.kind) {
    case "print-plist":
      print(plistOf(command.service, caller).trimEnd());
      return 0;
    case "check-plist":
      return runCheck(command, caller, print);
    case "install":
      return runInstall(command, caller, print);
    case "uninstall":
      return runUninstall(command, caller, print);
  }
}

async function runCheck(
  { file, json }: { file: string; json: boolean },
  { colour }: Caller,
  print: (text: string) => void,
): Promise<number> {
  let opened: { bytes: Uint8Array; stats: Stats };
  try {
    opened = readPlistFile(file);
  } catch (error) {
    log.error(`cannot check ${file}: ${explain(error, file)}`);
    return 2;
  }
  const { findings } = await checkPlist({ path: file, ...opened, kind: kindOf(file) }, machine);
  print(json ? reportJson(file, findings) : report(file, findings, colour));
  return count(findings).errors > 0 ? 1 : 0;
}

async function runUninstall(
  { label, dryRun }: Extract<ServiceCommand, { kind: "uninstall" }>,
  { uid }: Caller,
  print: (text: string) => void,
): Promise<number> {
  refuseWithoutLaunchd(`cannot uninstall ${label}`);
  const domain = domainOf(uid);
  const { steps, kept } = await uninstall(label, domain, new Launchctl(launchctlProgram, domain.name), dryRun);
  print(dryRun ? steps.join("\n") : `${label} is uninstalled`);
  for (const file of kept) print(`${file} is still there: the property list that --replace took the place of`);
  return 0;
}

async function runInstall(
  { source, replace, dryRun }: Extract<ServiceCommand, { kind: "install" }>,
  caller: Caller,
  print: (text: string) => void,
): Promise<number> {
  const subject = "file" in source ? source.file : source.service.label;
  refuseWithoutLaunchd(`cannot install ${subject}`);
  const domain = domainOf(caller.uid);
  const { bytes, path } = readSource(source, caller);
  const examination = await checkPlist({ path, bytes, stats: null, kind: domain.kind }, machine);
  const { findings } = examination;
  if (findings.length > 0) print(report(subject, findings, caller.colour));
  const { label, job, settings } = refuseErrors(subject, examination);

  const launchctl = new Launchctl(launchctlProgram, domain.name);
  const service = { label, bytes, job, settings, replace };
  if (dryRun) {
    print([...(await installationSteps(service, domain, launchctl)), "", writePlist(job).trimEnd()].join("\n"));
    return 0;
  }
  const { kept, elsewhere } = await install(service, domain, launchctl, interruption());
  const where = contactsOf(job, settings).map(formatAddress).join(", ");
  const log = own(job, "StandardErrorPath");
  print(`${label} is installed as ${plistPath(label, domain)}${where && ` and serves ${where}`}`);
  if (kept !== null) print(`what was there before is kept as ${kept}`);
  if (elsewhere !== null) {
    print(
      `launchd had ${label} from ${elsewhere}, which is still there: move it away, or both are loaded at the next start`,
    );
  }
  print(typeof log === "string" ? `its log is ${log}` : "it has no log; --log names one");
  return 0;
}

/** Both the checks and the installation use these bytes: the file is not looked at again. */
function readSource(
  source: { file: string } | { service: ServiceDescription },
  caller: Caller,
): { bytes: Uint8Array; path: string } {
  if ("service" in source) {
    const bytes = new TextEncoder().encode(plistOf(source.service, caller));
    return { bytes, path: `${source.service.label}.plist` };
  }
  try {
    return { bytes: readPlistFile(source.file).bytes, path: source.file };
  } catch (error) {
    throw new UserError(`cannot install ${source.file}: ${explain(error, source.file)}`);
  }
}

function refuseErrors(subject: string, { findings, job, settings }: Examination) {
  const { errors } = count(findings);
  const label = job && own(job, "Label");
  if (errors === 0 && job !== null && settings !== null && typeof label === "string") return { label, job, settings };
  throw new UserError(
    `cannot install ${subject}: the checks found ${plural(errors, "error")}; fix what is listed above`,
  );
}

function plistOf(service: ServiceDescription, { argv0, environment, folder }: Caller): string {
  return writePlist(jobOf(service, { folder, self: ownPath(argv0, environment.PATH, folder) }));
}

function refuseWithoutLaunchd(attempt: string): void {
  if (hasLaunchd) return;
  throw new UserError(`${attempt}: that needs macOS and its launchd; --print-plist and --check-plist work here`);
}

/** An interrupted installation is put back, not left half done. */
function interruption(): AbortSignal {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupted.abort());
  return interrupted.signal;
}

function explain(error: unknown, path: string): string {
  const reason = reasonOf(error);
  switch (reason) {
    case "ENOENT":
      return "there is no such file; check the path";
    case "EPERM":
      // sudo does not help: the permission is the terminal's.
      if (platform === "macos" && protectedFolder(resolve(path)) !== null) {
        return `macOS keeps this terminal out of ${protectedFolder(resolve(path))}; allow it in System Settings, Privacy & Security, Files and Folders, or copy the file elsewhere`;
      }
      return "permission denied; check who may read it, or use sudo";
    case "EACCES":
      return "permission denied; check who may read it, or use sudo";
    case "EISDIR":
      return "it is a folder; name the file in it";
    default:
      return reason;
  }
}
