import { quote, UserError } from "../errors.ts";
import type { Flag } from "./flag.ts";
import { type Flags, options, readSettings, type Settings, type SocketSource } from "./options.ts";
import { routesOf } from "./routes.ts";
import { nearest } from "./suggest.ts";

/** A command line of ours, split but not checked yet. */
export interface SplitCommandLine<Name extends string> {
  /** The texts given for each flag; a switch that was given has the text `1`. */
  flags: Partial<Record<Name, string[]>>;
  /** The program and its arguments: all that comes after our flags. */
  rest: string[];
}

/** A program and its arguments. */
export type ProgramCommand = [string, ...string[]];

/**
 * Splits the arguments (without argv[0]) strictly: only what stands before the program is ours; `--` may end our flags.
 * Throws a UserError for a flag that is not in the table, a missing value, or a value for a switch.
 */
export function splitCommandLine<Name extends string>(
  args: string[],
  table: Record<Name, Flag>,
): SplitCommandLine<Name> {
  const names = new Map(
    Object.entries<Flag>(table).flatMap(([name, { flag, short }]) =>
      [`--${flag}`, ...(short === undefined ? [] : [`-${short}`])].map((spelling) => [spelling, name as Name]),
    ),
  );
  const flags: Partial<Record<Name, string[]>> = {};
  let index = 0;
  for (; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (arg === "--") {
      index++;
      break;
    }
    if (arg === "-" || !arg.startsWith("-")) break;
    const { flag, inline } = splitFlag(arg);
    const name = names.get(flag);
    if (name === undefined) {
      const [first = "", second] = flag.split(/\s+/);
      if (second !== undefined && names.has(first)) {
        throw new UserError(`cannot use ${quote(arg)}: flag and value are one word; write two, or ${first}=VALUE`);
      }
      const meant = nearest(
        flag,
        [...names.keys()].filter((name) => name.startsWith("--")),
        2,
      );
      const fix = meant === undefined ? "see launch_socket_server --help" : `did you mean ${meant}?`;
      throw new UserError(`cannot use ${flag}: there is no such option; ${fix}`);
    }
    const { value: form, optional, last } = table[name];
    if (form === undefined && inline !== undefined) throw new UserError(`cannot use ${arg}: ${flag} takes no value`);
    const isLeftOut = optional && inline === undefined && (args[index + 1] ?? "-").startsWith("-");
    const value = form === undefined ? "1" : isLeftOut ? "" : (inline ?? args[++index]);
    const isFlag = (text: string) => text === "--" || names.has(splitFlag(text).flag);
    if (value === undefined || (form !== undefined && inline === undefined && isFlag(value))) {
      const more = value === undefined || value === "--" ? "" : `, and ${splitFlag(value).flag} before or after both`;
      throw new UserError(`cannot use ${flag}: its value is missing; write ${flag} ${form}${more}`);
    }
    flags[name] = [...(flags[name] ?? []), value];
    if (last) return { flags, rest: [] };
  }
  return { flags, rest: args.slice(index) };
}

/**
 * The settings and the program (null for `-`, which runs none, and then the words after it, which mean nothing) of a command line that
 * has only settings before the program; `source` is where the sockets come from. Throws a UserError.
 */
export function readCommandLine(
  { flags, rest }: { flags: Flags; rest: string[] },
  environment: Record<string, string | undefined>,
  source: SocketSource = "elsewhere",
): { settings: Settings; program: ProgramCommand | null; unused: string[] } {
  const settings = readSettings(flags, environment, source);
  if (settings.exitIdleAtRest && settings.exitIdleTime === Number.POSITIVE_INFINITY) {
    throw new UserError(
      "cannot use --exit-idle-at-rest alone: how long connections have to be at rest is missing; add --exit-idle-time",
    );
  }
  const [program, ...args] = rest;
  if (program === undefined) {
    throw new UserError("cannot start: the program is missing; name one after the options, or - to run none");
  }
  if (program === "") {
    throw new UserError("cannot start: the program's name is empty; name a program, or - to run none");
  }
  return program === "-"
    ? { settings, program: null, unused: args }
    : { settings, program: [program, ...args], unused: [] };
}

/** The settings alone, as the table of flags that a command line may have. */
export const settingFlags: Record<keyof typeof options, Flag> = options;

/** The first of a program's arguments that is spelt like a flag of the table, without its value; undefined where none is. */
export function strayFlag(words: string[], table: Record<string, Flag>): string | undefined {
  const known = new Set(Object.values(table).map(({ flag }) => `--${flag}`));
  return words.map((word) => splitFlag(word).flag).find((flag) => known.has(flag));
}

function splitFlag(text: string): { flag: string; inline?: string } {
  const at = text.indexOf("=");
  return at < 0 ? { flag: text } : { flag: text.slice(0, at), inline: text.slice(at + 1) };
}

/**
 * Without a program (null) there has to be somewhere for connections to go, and there is nobody who could be told where.
 * Throws a UserError.
 */
export function refuseMissingTargets(program: ProgramCommand | null, settings: Settings): void {
  if (program !== null) return;
  if (settings.passSockets)
    throw new UserError("cannot use --pass-sockets with -: there is no program to pass them to; name one");
  const missing = routesOf(settings).find(({ target }) => target === null);
  if (missing === undefined) return;
  if (missing.socket === null)
    throw new UserError("please set LAUNCH_PROGRAM_TCP_ADDRESS or LAUNCH_PROGRAM_SOCKET_PATH");
  throw new UserError(
    `cannot use the route ${missing.socket}= with -: there is no program to tell a generated path; write a target after =`,
  );
}
