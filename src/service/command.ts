import { UserError } from "../errors.ts";
import type { Flags } from "../settings/options.ts";
import { describeService, parseLabel, type ServiceDescription } from "./description.ts";
import { type ServiceFlagName, type ServiceFlags, serviceFlags } from "./flags.ts";
import type { LifecycleCommand } from "./lifecycle/lifecycle.ts";
import type { ReloadCommand } from "./reload/reload.ts";
import type { StatusCommand } from "./status/status.ts";

/** What a command line asks for that concerns services and their property lists. */
export type ServiceCommand =
  | { kind: "print-plist"; service: ServiceDescription }
  | { kind: "check-plist"; files: string[]; json: boolean; portable: boolean }
  | { kind: "install"; source: { file: string } | { service: ServiceDescription }; replace: boolean; dryRun: boolean }
  | { kind: "uninstall"; label: string; dryRun: boolean }
  | LifecycleCommand
  | StatusCommand
  | ReloadCommand;

/** The flags that make a command; the others say how. */
export const verbs = [
  "printPlist",
  "checkPlist",
  "install",
  "uninstall",
  "stop",
  "start",
  "restart",
  "status",
  "reload",
] as const;

/** The flags that describe a service, as settings and a program do. */
const describing: ServiceFlagName[] = [
  "port",
  "address",
  "listenPath",
  "listenMode",
  "user",
  "group",
  "log",
  "env",
  "onDemand",
  "keepRunning",
  "loginShell",
];

/**
 * Makes a command of the flags, or null when none of them is one of ours. Throws a UserError for flags that contradict
 * each other, are of another command, or have a value that is not valid.
 */
export function readServiceCommand(flags: ServiceFlags & Flags, rest: string[]): ServiceCommand | null {
  const given = (Object.keys(serviceFlags) as ServiceFlagName[]).filter((name) => flags[name]);
  const [verb, another] = verbs.filter((name) => flags[name]);
  const [first] = given;
  if (first === undefined) return null;
  if (verb === undefined) {
    throw new UserError(`cannot use ${spell(first)}: it goes with ${belongsTo(first)}`);
  }
  if (another) throw new UserError(`cannot use ${spell(verb)} together with ${spell(another)}: give one at a time`);
  for (const name of given) {
    if (flags[name]?.length !== 1 && !("repeatable" in serviceFlags[name])) {
      throw new UserError(`cannot use ${spell(name)} twice: leave one of them out`);
    }
  }
  const subject = flags[verb]?.[0] ?? "";
  const dryRun = flags.dryRun !== undefined;
  const replace = flags.replace !== undefined;
  switch (verb) {
    case "printPlist":
      refuseOthers(given, [verb, ...describing]);
      return { kind: "print-plist", service: describeService(subject, flags, rest) };
    case "checkPlist":
      refuseOthers(given, [verb, "json", "portable"]);
      refuseDescription(verb, flags, []);
      if ([subject, ...rest].filter((file) => file === "-").length > 1) {
        throw new UserError("cannot use - twice: standard input has one property list; leave one of them out");
      }
      return {
        kind: "check-plist",
        files: [subject, ...rest.map(parseFile)],
        json: flags.json !== undefined,
        portable: flags.portable !== undefined,
      };
    case "install":
      if (subject.includes("/") || subject.endsWith(".plist")) {
        refuseOthers(given, [verb, "replace", "dryRun"]);
        refuseDescription(verb, flags, []);
        if (rest[0] !== undefined) {
          throw new UserError(
            `cannot use --install ${subject} with ${rest[0]}: a name with / or .plist is a file, which says everything; leave the rest out, or write a label`,
          );
        }
        return { kind: "install", source: { file: subject }, replace, dryRun };
      }
      refuseOthers(given, [verb, "replace", "dryRun", ...describing]);
      return { kind: "install", source: { service: describeService(subject, flags, rest) }, replace, dryRun };
    case "uninstall":
      refuseOthers(given, [verb, "dryRun"]);
      refuseDescription(verb, flags, rest);
      return { kind: "uninstall", label: parseLabel(subject), dryRun };
    case "stop":
      refuseOthers(given, [verb, "idle"]);
      refuseDescription(verb, flags, rest);
      return { kind: "stop", label: parseLabel(subject), idle: flags.idle !== undefined };
    case "start":
    case "restart":
      refuseOthers(given, [verb]);
      refuseDescription(verb, flags, rest);
      return { kind: verb, label: parseLabel(subject) };
    case "status":
      refuseOthers(given, [verb, "json", "watch"]);
      refuseDescription(verb, flags, rest);
      return {
        kind: "status",
        subject: subject === "" ? null : subject,
        json: flags.json !== undefined,
        watch: flags.watch !== undefined,
      };
    case "reload":
      refuseOthers(given, [verb]);
      refuseDescription(verb, flags, rest);
      return { kind: "reload", subject: parseLabel(subject) };
  }
}

/** The commands that a flag may stand with. */
function belongsTo(name: ServiceFlagName): string {
  switch (name) {
    case "json":
      return "--check-plist or --status";
    case "watch":
      return "--status";
    case "idle":
      return "--stop";
    default:
      return "--print-plist, --check-plist, --install or --uninstall";
  }
}

function refuseOthers(given: ServiceFlagName[], allowed: ServiceFlagName[]): void {
  const other = given.find((name) => !allowed.includes(name));
  const verb = allowed[0];
  if (other && verb) throw new UserError(`cannot use ${spell(other)} with ${spell(verb)}: leave it out`);
}

/** Flags stand before the files, as they do before a program. */
function parseFile(text: string): string {
  if (!text.startsWith("--")) return text;
  throw new UserError(`cannot use ${text} after the files: write it before --check-plist`);
}

/** A file says everything already. */
function refuseDescription(verb: ServiceFlagName, flags: ServiceFlags & Flags, rest: string[]): void {
  const setting = Object.keys(flags).find((name) => !(name in serviceFlags));
  const what = setting === undefined ? rest[0] : "a setting";
  if (what === undefined) return;
  throw new UserError(`cannot use ${spell(verb)} with ${what}: nothing but ${spell(verb)} and its value belongs here`);
}

function spell(name: ServiceFlagName): string {
  return `--${serviceFlags[name].flag}`;
}
