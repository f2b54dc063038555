import { UserError } from "../errors.ts";
import type { Caller, Output } from "./caller/caller.ts";
import { type Prepared, takeFromCaller } from "./caller/taken.ts";
import { checkPlist, type Examination } from "./check/check.ts";
import { own } from "./check/inspection.ts";
import { count, plural, report } from "./check/report.ts";
import type { ServiceCommand } from "./command.ts";
import { differences, lostKeys } from "./install/difference.ts";
import { type Installable, install, installationSteps } from "./install/install.ts";
import { tellSights } from "./install/sights.ts";
import { plistOf } from "./job.ts";
import { daemonLogs, domainOf, launchctlOf, machine } from "./launchd/domain.ts";
import { lookAt, plistPath } from "./launchd/installed.ts";
import { foreign } from "./launchd/ownership.ts";
import { explainUnreadable, readPlistFile } from "./plist/file.ts";
import type { Dictionary } from "./plist/value.ts";
import { writePlist } from "./plist/write.ts";

/** Checks, installs and starts a service, or with `dryRun` says what that would do. Throws a UserError. */
export async function installService(
  { source, replace, dryRun }: Extract<ServiceCommand, { kind: "install" }>,
  caller: Caller,
  { print, tell }: Output,
): Promise<number> {
  const subject = "file" in source ? source.file : source.service.label;
  const domain = domainOf(caller);
  const prepared =
    "file" in source ? null : takeFromCaller(source.service, caller, domain.kind, { machine, logs: daemonLogs });
  for (const line of prepared?.taken ?? []) print(line);
  for (const note of prepared?.notes ?? []) tell(`note: ${note}`);
  const { bytes, path } =
    prepared === null
      ? readSource(subject)
      : { bytes: new TextEncoder().encode(plistOf(prepared.service, caller)), path: `${subject}.plist` };
  const file = { path, bytes, stats: null, kind: domain.kind, makesLog: prepared?.makesLog?.path };
  const examination = await checkPlist(file, machine, !caller.jobsRunHere);
  const { findings } = examination;
  if (findings.length > 0) print(report(subject, findings, caller.colour));
  const { label, job, settings } = refuseErrors(subject, examination);

  const launchctl = launchctlOf(domain, caller);
  const service: Installable = { label, bytes, job, settings, replace, log: newLog(prepared) };
  const before = await lookAt(label, domain, launchctl);
  if (foreign(before) === null && before.file?.job) printDifference(before.file.job, job, before.path, print);
  if (dryRun || launchctl === null) {
    print([...(await installationSteps(service, domain, launchctl)), "", writePlist(job).trimEnd()].join("\n"));
    return 0;
  }
  const log = own(job, "StandardErrorPath");
  const { kept, elsewhere, sights, status } = await install(service, domain, launchctl, interruption());
  print(`${label} is installed as ${plistPath(label, domain)}`);
  tellSights(sights, status, print);
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
function readSource(file: string): { bytes: Uint8Array; path: string } {
  try {
    return { bytes: readPlistFile(file).bytes, path: file };
  } catch (error) {
    throw new UserError(`cannot install ${file}: ${explainUnreadable(error, file)}`);
  }
}

function newLog(prepared: Prepared | null): Installable["log"] {
  const log = prepared?.makesLog ?? null;
  return log && { path: log.path, account: log.user === null ? null : machine.user(log.user) };
}

function printDifference(before: Dictionary, after: Dictionary, path: string, print: Output["print"]): void {
  const lines = differences(before, after);
  print(lines.length === 0 ? `${path} says the same already` : `what changes in ${path}:\n${lines.join("\n")}`);
  const lost = lostKeys(before, after);
  if (lost.length > 0) print(`note: the new one does not have ${lost.join(", ")}: keys added by hand are not kept`);
}

function refuseErrors(subject: string, { findings, job, settings }: Examination) {
  const { errors } = count(findings);
  const label = job && own(job, "Label");
  if (errors === 0 && job !== null && settings !== null && typeof label === "string") return { label, job, settings };
  throw new UserError(
    `cannot install ${subject}: the checks found ${plural(errors, "error")}; fix what is listed above`,
  );
}

/** An interrupted installation is put back, not left half done. */
function interruption(): AbortSignal {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupted.abort());
  return interrupted.signal;
}
