import { type ArgsDef, defineCommand, renderUsage } from "citty";
import { version } from "../package.json";
import { readServiceCommand, type ServiceCommand } from "./service/command.ts";
import { serviceFlags } from "./service/flags.ts";
import { type ProgramCommand, readCommandLine, settingFlags, splitCommandLine } from "./settings/command-line.ts";
import { describeDefault, describeFlag, type Flag } from "./settings/flag.ts";
import { options, type Settings, type SocketSource } from "./settings/options.ts";

/** What a command line asks for. */
export type Command =
  | { kind: "usage" }
  | { kind: "help" }
  | { kind: "version" }
  /** `program` is the program and its arguments, or null for proxy-only (`-`), and `unused` what stands after that. */
  | { kind: "run"; settings: Settings; program: ProgramCommand | null; unused: string[] }
  | ServiceCommand;

/** The options that are no settings. */
export const switches = {
  help: { flag: "help", short: "h", help: "Show this help; also -h.", last: true },
  version: { flag: "version", short: "V", help: "Show the version; also -V.", last: true },
} as const satisfies Record<string, Flag>;

/**
 * Reads the arguments (without argv[0]) and the environment; `source` is where sockets come from here. Only what stands before the program is ours; `--` may
 * end our options. Throws a UserError for an unknown option, a missing value or a value that is not valid.
 */
export function parseCommandLine(
  args: string[],
  environment: Record<string, string | undefined>,
  source: SocketSource = "elsewhere",
): Command {
  const { flags, rest } = splitCommandLine(args, { ...switches, ...settingFlags, ...serviceFlags });
  if (args.length === 0) return { kind: "usage" };
  if (flags.help) return { kind: "help" };
  if (flags.version) return { kind: "version" };
  const service = readServiceCommand(flags, rest);
  return service ?? { kind: "run", ...readCommandLine({ flags, rest }, environment, source) };
}

/** The first lines of help, and all that the original prints when called without arguments. */
export function usage(argv0: string): string {
  return `usage: ${argv0} <program> [<arg> ...]`;
}

/** What people do most, each with what it is for. */
export const examples: readonly (readonly [command: string, purpose: string])[] = [
  ["launch_socket_server --listen 127.0.0.1:8080 node server.mjs", "Try a server out, on any system."],
  [
    "sudo launch_socket_server --install com.example.hello node server.mjs",
    "Have launchd run it on 127.0.0.1:80, as the user who calls sudo.",
  ],
  ["launch_socket_server --status com.example.hello", "See what runs, and why it does not."],
];

/** The text of `--help`, readable at 80 columns: how a server is run, then one group for each table of flags. */
export async function help(): Promise<string> {
  const [title = "", usage = "", heading = "", program = ""] = await sections({
    program: { type: "positional", description: "The server to run, or - to run none and relay only." },
    "arg...": { type: "positional", required: false, description: "Everything after the program belongs to it." },
  });
  const table = async (flags: Record<string, Flag>) => (await sections(describe(Object.values(flags)))).at(-1) ?? "";
  const group = (name: string, ...parts: string[]) => [heading.replace("ARGUMENTS", name), ...parts];
  const text = [
    ...[title, usage],
    ...group("EXAMPLES", examples.map(([command, purpose]) => `  ${command}\n      ${purpose}`).join("\n")),
    ...group("RUN", program, await table(switches)),
    ...group("SETTINGS", await table(options)),
    ...group("SERVICES", await table(serviceFlags)),
  ];
  const coloured = `${text.join("\n\n")}\n`.replace(/ +$/gm, "");
  return process.stdout.isTTY && !process.env.NO_COLOR ? coloured : Bun.stripANSI(coloured);
}

/** What citty renders, in the parts that it puts a blank line between: title, usage, and a heading and rows for each kind of argument. */
async function sections(args: ArgsDef): Promise<string[]> {
  const meta = { name: "launch_socket_server", version, description: "A server on a low port without root" };
  return (await renderUsage(defineCommand({ meta, args }))).trimEnd().split("\n\n");
}

/** citty puts a column of flags beside the descriptions; these are folded to what is left of 80 columns. */
function describe(rows: Flag[]): ArgsDef {
  const args: ArgsDef = {};
  const column = 6 + Math.max(...rows.map(({ flag, value }) => `--${flag}${value ? `=<${value}>` : ""}`.length));
  for (const row of rows) {
    const { flag, value, variable } = row;
    // A switch is off unless it is given.
    const standard = value === undefined ? undefined : describeDefault(row);
    const text = describeFlag(row);
    const lines = fold(standard === undefined ? text : `${text} Default: ${standard}.`, 80 - column);
    const description = [...lines, ...(variable ? [variable] : [])].join(`\n${" ".repeat(column)}`);
    args[flag] =
      value === undefined ? { type: "boolean", description } : { type: "string", valueHint: value, description };
  }
  return args;
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
