import { own } from "../check/inspection.ts";
import { type Dictionary, isDictionary } from "../plist/value.ts";
import type { ServiceState } from "./launchctl.ts";

/**
 * Whether a property list says another thing than what launchd has loaded: what it runs, with which variables, or where the output goes.
 * False where that is not certain: launchctl prints no key of the others, and text of several lines as it is.
 */
export function hasChanged(loaded: ServiceState, job: Dictionary): boolean {
  const words = own(job, "ProgramArguments");
  const args = Array.isArray(words) && words.every(isPlain) ? words : null;
  const program = own(job, "Program") ?? args?.[0];
  const environment = own(job, "EnvironmentVariables");
  const variables = isDictionary(environment) ? Object.entries(environment) : [];
  return [
    differs(loaded.program, program),
    args !== null && loaded.arguments.length > 0 && loaded.arguments.join("\n") !== args.join("\n"),
    ...variables.map(
      ([name, value]) => loaded.environment.size > 0 && isPlain(value) && loaded.environment.get(name) !== value,
    ),
    differs(loaded.logs.stdout, own(job, "StandardOutPath")),
    differs(loaded.logs.stderr, own(job, "StandardErrorPath")),
  ].includes(true);
}

/** A text on one line, without white space at its ends, is printed as it is. */
function isPlain(value: unknown): value is string {
  return typeof value === "string" && !/[\n\r]/.test(value) && value.trim() === value;
}

function differs(printed: string | undefined, written: unknown): boolean {
  return printed !== undefined && isPlain(written) && printed !== written;
}
