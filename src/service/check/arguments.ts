import { basename } from "node:path";
import { quote } from "../../errors.ts";
import { isForShell } from "../../system/path-search.ts";
import { type Inspection, own } from "./inspection.ts";
import { isStrings } from "./settings.ts";

/** The end of a file's name that makes a bare word one, as the argument of an interpreter. */
const script = /\.(c|m)?[jt]s$|\.(jar|php|pl|py|rb|ru|sh)$/;

/** What a shell would have done to the words of a job, and launchd does not. */
export function checkArguments(inspection: Inspection): void {
  checkVariables(inspection);
  const words = own(inspection.job, "ProgramArguments");
  if (!isStrings(words) || inspection.program === null) return;
  const [program, ...args] = inspection.program;
  const shell = /^(ba|da|fi|k|z)?sh$/.test(basename(program)) && args.some((word) => /^-\w*c$/.test(word));
  // Its words are for the shell to expand.
  if (shell) return;
  const first = words.length - args.length;
  for (const [index, word] of args.entries()) checkArgument(inspection, `ProgramArguments[${first + index}]`, word);
}

/** Whether a program's name is two words or more that a shell would have separated. */
export function isSeveralWords(name: string): boolean {
  if (!name.includes("/")) return /\S\s+\S/.test(name);
  // A path may have blanks of its own.
  const [, rest] = name.match(/^\S+\s+(.*)$/s) ?? [];
  return rest !== undefined && (/^[-/~]/.test(rest) || (script.test(rest) && !rest.includes("/")));
}

function checkVariables(inspection: Inspection): void {
  for (const [name, value] of Object.entries(inspection.environment)) {
    const parts = name === "PATH" ? value.split(":") : [value];
    const part = parts.find((part) => isForShell(part));
    if (part === undefined) continue;
    const why = `launchd expands nothing, so the program gets ${quote(part)} as it stands`;
    inspection.error(`EnvironmentVariables.${name}`, why, "write the whole path");
  }
}

function checkArgument(inspection: Inspection, key: string, word: string): void {
  const [flag = ""] = word.match(/^--?[\w-]+=/) ?? [];
  const text = word.slice(flag.length);
  if (isForShell(text) && own(inspection.job, "EnableGlobbing") !== true) {
    const why = `launchd expands nothing, so the program gets ${quote(text)} as it stands`;
    // Some programs expand the values of their flags themselves.
    if (flag === "") inspection.error(key, why, "write the whole path");
    else inspection.note(key, why, "write the whole path");
    return;
  }
  if (/^--?\w[\w-]*\s+\S+$/.test(word)) {
    inspection.note(key, `${quote(word)} is one word to the program`, "write each word as a <string> of its own");
    return;
  }
  const isRelative = /^\.{1,2}\//.test(text) || (script.test(word) && !/^[-/]|=|:\/\//.test(word));
  if (isRelative && own(inspection.job, "WorkingDirectory") === undefined) {
    const why = `there is no WorkingDirectory, so ${quote(text)} is looked for in /`;
    inspection.error(key, why, "write the whole path, or add WorkingDirectory");
  }
}
