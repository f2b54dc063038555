import { UserError } from "../errors.ts";
import { type Caller, type Output, sudoUser } from "./caller/caller.ts";
import { takeFromCaller } from "./caller/taken.ts";
import { checkPlist } from "./check/check.ts";
import { count, findingLines, plural } from "./check/report.ts";
import type { ServiceDescription } from "./description.ts";
import { logCommand } from "./install/log-file.ts";
import { plistOf } from "./job.ts";
import { daemonLogs, machine } from "./launchd/domain.ts";

/** Prints a service's property list, unless the checks find errors; what was taken from the caller and what may surprise is told. */
export async function printPlist(service: ServiceDescription, caller: Caller, output: Output): Promise<number> {
  const { print, tell } = output;
  const isDaemon =
    service.user !== undefined || sudoUser(caller) !== undefined || (caller.uid === 0 && caller.jobsRunHere);
  const kind = isDaemon ? "daemon" : "agent";
  const prepared = takeFromCaller(service, caller, kind, { machine, logs: daemonLogs });
  const text = plistOf(prepared.service, caller);
  const { findings } = await checkPlist(
    {
      path: `${service.label}.plist`,
      bytes: new TextEncoder().encode(text),
      stats: null,
      kind,
      makesLog: prepared.makesLog?.path,
    },
    machine,
    !caller.jobsRunHere,
  );
  for (const line of prepared.taken) tell(line);
  for (const note of prepared.notes) tell(`note: ${note}`);
  if (!isDaemon) {
    tell("note: this is an agent's list, for ~/Library/LaunchAgents; for a daemon add --user NAME");
  }
  for (const line of findingLines(findings, false)) tell(line);
  const { errors } = count(findings);
  if (errors > 0) {
    throw new UserError(
      `cannot print the property list of ${service.label}: the checks found ${plural(errors, "error")}; fix what is listed above`,
    );
  }
  const command = prepared.makesLog && logCommand(prepared.makesLog);
  if (command !== null) tell(`make the log first: ${command}`);
  print(text.trimEnd());
  return 0;
}
