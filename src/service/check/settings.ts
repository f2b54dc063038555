import { UserError } from "../../errors.ts";
import { readCommandLine, refuseMissingTargets, settingFlags, splitCommandLine } from "../../settings/command-line.ts";
import { readSettings, settingVariables } from "../../settings/options.ts";
import { nearest } from "../../settings/suggest.ts";
import type { PlistValue } from "../plist/value.ts";
import { describe, type Inspection, own } from "./inspection.ts";

/** Why a variable must not stand in a service's environment, or null. */
export function variableProblem(name: string): { why: string; fix: string } | null {
  if (settingVariables.includes(name) || name.startsWith("LAUNCH_PROGRAM_SOCKET_PATH_")) return null;
  // A program may have variables of its own that begin with LAUNCH_, but hardly with the whole of our prefixes.
  const meant = nearest(name, settingVariables, /^LAUNCH_(DAEMON|PROGRAM)_/.test(name) ? 40 : 4);
  if (meant === undefined) return null;
  return { why: "there is no such setting, so it has no effect", fix: `did you mean ${meant}?` };
}

/** Our settings, in EnvironmentVariables and among the arguments: read by the same parsers as when the job runs. */
export function checkSettings(inspection: Inspection): void {
  readEnvironment(inspection);
  const before = inspection.findings.length;
  for (const [name, text] of Object.entries(inspection.environment)) {
    attempt(inspection, `EnvironmentVariables.${name}`, () => readSettings({}, { [name]: text }, "launchd"));
  }
  const words = own(inspection.job, "ProgramArguments");
  if (!isStrings(words) || words.length === 0) return;
  if (words.length === 1) {
    inspection.error(
      "ProgramArguments",
      "no program follows launch_socket_server",
      "add the program and its arguments, or - to run none",
    );
    return;
  }
  // What is wrong with a variable has been said, and what the rest means without it is not known.
  if (inspection.findings.slice(before).some(({ severity }) => severity === "error")) return;
  attempt(inspection, "ProgramArguments", () => {
    const line = splitCommandLine(words.slice(1), settingFlags);
    const { settings, program, unused } = readCommandLine(line, inspection.environment, "launchd");
    inspection.settings = settings;
    inspection.program = program;
    refuseMissingTargets(program, settings);
    if (unused.length > 0) {
      inspection.note(
        "ProgramArguments",
        "no program is run with -, and nothing after it has an effect",
        "leave it out",
      );
    }
    if (settings.listen.length > 0) {
      const why = "--listen makes the program bind directly, and launchd's sockets are not served";
      inspection.error("ProgramArguments", why, "leave --listen out");
    }
  });
  const targets = ["LAUNCH_PROGRAM_TCP_ADDRESS", "LAUNCH_PROGRAM_SOCKET_PATH"].filter(
    (name) => inspection.environment[name],
  );
  if (targets.length > 1) {
    const why = "LAUNCH_PROGRAM_TCP_ADDRESS and LAUNCH_PROGRAM_SOCKET_PATH are both set, and the address wins";
    inspection.note("EnvironmentVariables", why, "leave one of them out");
  }
}

function readEnvironment(inspection: Inspection): void {
  for (const [name, value] of Object.entries<PlistValue>(inspection.dictionary("EnvironmentVariables") ?? {})) {
    const key = `EnvironmentVariables.${name}`;
    if (typeof value !== "string") {
      inspection.error(key, `it is ${describe(value)}, and launchd ignores it`, "write it as <string>");
      continue;
    }
    inspection.environment[name] = value;
    const problem = variableProblem(name);
    if (problem !== null) inspection.error(key, problem.why, problem.fix);
  }
}

/** A parser's sentence, `what was attempted: why; what to do`, becomes a finding. */
function attempt(inspection: Inspection, key: string, parse: () => void): void {
  try {
    parse();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [, why = "the program does not start like this", fix = error.message] =
      error.message.match(/^(.*?); (.*)$/s) ?? [];
    inspection.error(key, why, fix);
  }
}

export function isStrings(value: PlistValue | undefined): value is string[] {
  return Array.isArray(value) && value.every((word) => typeof word === "string");
}
