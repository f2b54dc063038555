import { quote, UserError } from "../errors.ts";
import {
  type ProgramCommand,
  readCommandLine,
  refuseMissingTargets,
  settingFlags,
  strayFlag,
} from "../settings/command-line.ts";
import { type Flags, type OptionName, options, type Settings } from "../settings/options.ts";
import { isForShell, notExpanded } from "../system/path-search.ts";
import { variableProblem } from "./check/settings.ts";
import { type ServiceFlags, serviceFlags } from "./flags.ts";
import { describeSockets, equalPorts, type SocketDescription } from "./sockets.ts";

/** A service as its property list is to describe it; every value has been checked. */
export interface ServiceDescription {
  label: string;
  /** By the key under Sockets. */
  sockets: Map<string, SocketDescription[]>;
  user: string | undefined;
  group: string | undefined;
  log: string | undefined;
  /** Where the program starts; launchd's `/` where there is none. */
  workingDirectory: string | undefined;
  environment: Map<string, string>;
  /** The settings that no variable can hold, as flags. */
  flags: string[];
  settings: Settings;
  /** Null for `-`: no program is run. */
  program: ProgramCommand | null;
  loginShell: boolean;
  start: "on-demand" | "keep-running";
  /** What may surprise who wrote the flags: sentences. */
  notes: string[];
}

/**
 * Checks the flags of --print-plist and what follows them. The environment of the caller plays no part: a
 * service has its own. Throws a UserError.
 */
export function describeService(label: string, flags: ServiceFlags & Flags, rest: string[]): ServiceDescription {
  parseLabel(label);
  if (flags.onDemand && flags.keepRunning) {
    throw new UserError("cannot use --on-demand together with --keep-running: leave one of them out");
  }
  if (flags.listen) {
    throw new UserError("cannot use --listen in a property list: launchd listens; use --address and --port");
  }
  if (rest.length === 0) {
    throw new UserError(
      `cannot make the service ${label}: the program is missing; name one after the options, or - to run none`,
    );
  }
  const { environment, flags: inArguments } = placeSettings(flags);
  for (const text of flags.env ?? []) {
    const [name, value] = parseVariable(text);
    const problem = variableProblem(name);
    if (problem !== null) throw new UserError(`cannot use ${name} for --env: ${problem.why}; ${problem.fix}`);
    if (environment.has(name)) throw new UserError(`cannot use ${name} twice: leave one of them out`);
    environment.set(name, value);
  }
  const line = { flags: inArguments, rest };
  const { settings, program, unused } = readCommandLine(line, Object.fromEntries(environment), "launchd");
  refuseMissingTargets(program, settings);
  if (flags.env && program !== null && /^[A-Za-z_]\w*=/.test(program[0])) {
    throw new UserError(`cannot use ${quote(program[0])} as the program: it is a variable; write --env before each`);
  }
  if (program !== null && isForShell(program[0])) {
    throw new UserError(`cannot use ${quote(program[0])} as the program: ${notExpanded}`);
  }
  if (program === null && flags.loginShell) {
    throw new UserError("cannot use --login-shell with -: there is no program to run in it");
  }
  const stray = program === null ? undefined : strayFlag(program.slice(1), { ...settingFlags, ...serviceFlags });
  return {
    label,
    sockets: describeSockets(flags, settings),
    user: one("user", flags),
    group: one("group", flags),
    log: one("log", flags),
    workingDirectory: undefined,
    environment,
    flags: Object.entries(inArguments).flatMap(([name, texts]) =>
      texts.map((text) => `--${options[name as OptionName].flag}=${text}`),
    ),
    settings,
    program,
    loginShell: flags.loginShell !== undefined,
    // What exits when idle is to be started by the next connection, not at once.
    start:
      flags.onDemand || (!flags.keepRunning && settings.exitIdleTime !== Number.POSITIVE_INFINITY)
        ? "on-demand"
        : "keep-running",
    notes: [
      ...(stray === undefined
        ? []
        : [
            `${stray} stands after the program and belongs to it; put it before ${program?.[0]} if it is meant for launch_socket_server`,
          ]),
      ...equalPorts(flags).map((text) => `${text} is given twice, and launchd binds it once; leave one of them out`),
      ...(unused.length > 0
        ? [`no program is run with -, and nothing after it has an effect: ${unused.join(" ")}`]
        : []),
    ],
  };
}

/** NAME_MAX of macOS's sys/syslimits.h. */
const maxFileName = 255;

/** A label is the file's name too. Throws a UserError for one that would leave its folder, is Apple's, or that launchd passes over. */
export function parseLabel(label: string): string {
  const why =
    label === ""
      ? "it is empty"
      : label === "-"
        ? "it is not a name"
        : label.includes("/") || label.includes("..")
          ? 'it has "/" or ".." in it, and the label is the file\'s name'
          : label.startsWith(".")
            ? "launchd ignores files whose names begin with a dot"
            : // The names of files on a Mac differ by more than their case.
              /^com\.apple\./i.test(label)
              ? "labels that begin with com.apple. are Apple's"
              : /[\p{Cc}\p{Zl}\p{Zp}]/u.test(label)
                ? "it has control characters in it"
                : Buffer.byteLength(`${label}.plist`) > maxFileName
                  ? "it is too long for a file's name"
                  : undefined;
  if (why === undefined) return label;
  throw new UserError(`cannot use ${quote(label)} as a label: ${why}; write one like com.example.web`);
}

/**
 * Where each setting goes: into its variable, as plists for this program have always had them, and which the program
 * reads too; into the command line only where one variable cannot hold it.
 */
function placeSettings(given: Flags): {
  environment: Map<string, string>;
  flags: Partial<Record<OptionName, string[]>>;
} {
  const environment = new Map<string, string>();
  const flags: Partial<Record<OptionName, string[]>> = {};
  for (const name of Object.keys(options) as OptionName[]) {
    const { variable, repeatable }: { variable?: string; repeatable?: string } = options[name];
    const texts = given[name];
    if (texts === undefined) continue;
    const [text = ""] = texts;
    const fits = texts.length === 1 && text !== "" && !(repeatable === "words" && /\s/.test(text));
    if (variable !== undefined && fits) environment.set(variable, text);
    else flags[name] = texts;
  }
  return { environment, flags };
}

function parseVariable(text: string): [string, string] {
  const match = text.match(/^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s);
  if (match?.[1] === undefined) {
    throw new UserError(`cannot use ${quote(text)} for --env: it is not a variable; write NAME=VALUE`);
  }
  return [match[1], match[2] ?? ""];
}

function one(name: "user" | "group" | "log", flags: ServiceFlags): string | undefined {
  const text = flags[name]?.[0];
  if (name === "log" && text !== undefined && isForShell(text)) {
    throw new UserError(`cannot use ${quote(text)} for --log: ${notExpanded}`);
  }
  if (text === "")
    throw new UserError(`cannot use "" for --${name}: it is empty; write --${name} ${serviceFlags[name].value}`);
  return text;
}
