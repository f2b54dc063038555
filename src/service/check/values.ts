import { isDictionary } from "../plist/value.ts";
import { describe, type Inspection, own } from "./inspection.ts";

/** The keys of a job that are booleans (launchd.plist(5)). */
const booleans = [
  "AbandonProcessGroup",
  "Debug",
  "Disabled",
  "EnableGlobbing",
  "EnablePressuredExit",
  "EnableTransactions",
  "InitGroups",
  "LaunchOnlyOnce",
  "LowPriorityBackgroundIO",
  "LowPriorityIO",
  "RunAtLoad",
  "SessionCreate",
  "StartOnMount",
  "WaitForDebugger",
];

/** Values that look right and are of another type: launchd takes each key by its type and passes over the rest (launchd-842, src/core.c). */
export function checkValues(inspection: Inspection): void {
  const { job } = inspection;
  for (const key of booleans) checkBoolean(inspection, key, own(job, key));
  const keepAlive = own(job, "KeepAlive");
  if (isDictionary(keepAlive)) {
    for (const key of ["SuccessfulExit", "Crashed", "NetworkState"]) {
      checkBoolean(inspection, `KeepAlive.${key}`, own(keepAlive, key));
    }
  } else checkBoolean(inspection, "KeepAlive", keepAlive);
  if (own(job, "Disabled") === true) {
    inspection.note("Disabled", "launchd does not load the job until launchctl enable has been called", "leave it out");
  }
}

/** A boolean that is written as something else is an error. */
export function checkBoolean(inspection: Inspection, key: string, value: ReturnType<typeof own>): void {
  if (value === undefined || typeof value === "boolean") return;
  const why = `it is ${describe(value)}, and launchd wants a boolean, so it ignores it`;
  inspection.error(key, why, "write <true/> or <false/>");
}
