import { type ArgsDef, defineCommand, renderUsage } from "citty";
import { version } from "../package.json";
import { UserError } from "./log.ts";
import { type Flags, type OptionName, options, readSettings, type Settings } from "./options.ts";

/** What a command line asks for. */
export type Command =
  | { kind: "usage" }
  | { kind: "help" }
  | { kind: "version" }
  /** `program` is the program and its arguments, or null for proxy-only (`-`). */
  | { kind: "run"; settings: Settings; program: [string, ...string[]] | null };

/** The options that are no settings. */
const switches = { help: "Show this help.", version: "Show the version." };

/**
 * Reads the arguments (without argv[0]) and the environment. Only what stands before the program is ours; `--` may
 * end our options. Throws a UserError for an unknown option, a missing value or a value that is not valid.
 */
export function parseCommandLine(args: string[], environment: Record<string, string | undefined>): Command {
  const flags: Flags = {};
  let index = 0;
  for (; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (arg === "--") {
      index++;
      break;
    }
    if (arg === "-" || !arg.startsWith("-")) break;
    const [flag = "", inline] = splitOnce(arg, "=");
    if (flag === "--help" || flag === "--version") {
      if (inline !== undefined) throw new UserError(`cannot use ${arg}: ${flag} takes no value`);
      return { kind: flag === "--help" ? "help" : "version" };
    }
    const name = optionNames.get(flag);
    if (name === undefined) {
      throw new UserError(`cannot use ${flag}: there is no such option; see launch_socket_server --help`);
    }
    const form = valueForm(name);
    if (form === undefined && inline !== undefined) throw new UserError(`cannot use ${arg}: ${flag} takes no value`);
    const value = form === undefined ? "1" : (inline ?? args[++index]);
    if (value === undefined || (inline === undefined && isFlag(value))) {
      throw new UserError(`cannot use ${flag}: its value is missing; write ${flag} ${form}`);
    }
    flags[name] ??= [];
    flags[name].push(value);
  }
  const [program, ...rest] = args.slice(index);
  if (program === undefined && index === 0) return { kind: "usage" };
  const settings = readSettings(flags, environment);
  if (program === undefined) {
    throw new UserError("cannot start: the program is missing; name one behind the options, or - to run none");
  }
  if (program === "")
    throw new UserError("cannot start: the program's name is empty; name a program, or - to run none");
  return { kind: "run", settings, program: program === "-" ? null : [program, ...rest] };
}

/** The first lines of help, and all that the original prints when called without arguments. */
export function usage(argv0: string): string {
  return `usage: ${argv0} <program> [<arg> ...]`;
}

/** The text of `--help`, readable at 80 columns. */
export async function help(): Promise<string> {
  const args: ArgsDef = {
    program: { type: "positional", description: "The server to run, or - to run none and relay only." },
    arg: { type: "positional", required: false, description: "Everything behind the program belongs to it." },
  };
  const rows = [
    ...Object.entries(switches).map(([flag, help]) => ({ flag, help }) as Row),
    ...Object.values<Row>(options),
  ];
  // citty puts a column of flags beside the descriptions; these are folded to what is left of 80 columns.
  const column = 6 + Math.max(...rows.map(({ flag, value }) => `--${flag}${value ? `=<${value}>` : ""}`.length));
  for (const { flag, value, help, default: standard, variable } of rows) {
    const lines = fold(standard === undefined ? help : `${help} Default: ${standard}.`, 80 - column);
    const description = [...lines, ...(variable ? [variable] : [])].join(`\n${" ".repeat(column)}`);
    args[flag] =
      value === undefined ? { type: "boolean", description } : { type: "string", valueHint: value, description };
  }
  const meta = { name: "launch_socket_server", version, description: "A server on a low port without root" };
  const text = (await renderUsage(defineCommand({ meta, args }))).replace(/ +$/gm, "");
  return process.stdout.isTTY && !process.env.NO_COLOR ? text : Bun.stripANSI(text);
}

interface Row {
  flag: string;
  value?: string;
  help: string;
  default?: string;
  variable?: string;
}

const optionNames = new Map<string, OptionName>(
  Object.entries(options).map(([name, option]) => [`--${option.flag}`, name as OptionName]),
);

/** What stands behind the flag, or undefined for a switch. */
function valueForm(name: OptionName): string | undefined {
  const { value }: Partial<Row> = options[name];
  return value;
}

function isFlag(text: string): boolean {
  return text === "--" || optionNames.has(splitOnce(text, "=")[0] ?? "") || text === "--help" || text === "--version";
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function fold(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line.length + 1 + word.length > width && line !== "") lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
