import type { Stats } from "node:fs";
import { log } from "../log.ts";
import type { Caller, Output } from "./caller/caller.ts";
import { checkPlist, type Finding, kindOf } from "./check/check.ts";
import { count, inJson, report } from "./check/report.ts";
import type { ServiceCommand } from "./command.ts";
import { machine } from "./launchd/domain.ts";
import { explainUnreadable, readPlistFile } from "./plist/file.ts";

/** Checks each file, whatever is wrong with the others. Returns the worst exit code: 2 for one that cannot be read, 1 for errors. */
export async function checkPlists(
  { files, json, portable }: Extract<ServiceCommand, { kind: "check-plist" }>,
  { colour, jobsRunHere }: Caller,
  { print }: Output,
): Promise<number> {
  const reports: { file: string; findings: Finding[] }[] = [];
  let worst = 0;
  for (const file of files) {
    let opened: { bytes: Uint8Array; stats: Stats };
    try {
      opened = readPlistFile(file);
    } catch (error) {
      log.error(`cannot check ${file}: ${explainUnreadable(error, file)}`);
      worst = 2;
      continue;
    }
    const plist = { path: file, ...opened, kind: kindOf(file) };
    const { findings } = await checkPlist(plist, machine, portable || !jobsRunHere);
    reports.push({ file, findings });
    worst = Math.max(worst, count(findings).errors > 0 ? 1 : 0);
  }
  if (json) {
    const values = reports.map(({ file, findings }) => inJson(file, findings));
    if (files.length > 1 || values.length > 0) print(JSON.stringify(files.length > 1 ? values : values[0], null, 2));
  } else {
    for (const { file, findings } of reports) print(report(file, findings, colour));
  }
  return worst;
}
