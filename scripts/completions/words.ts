import { switches } from "../../src/cli.ts";
import { serviceFlags } from "../../src/service/flags.ts";
import type { Flag } from "../../src/settings/flag.ts";
import { options } from "../../src/settings/options.ts";

/** What may stand where a flag's value is asked for. */
export type Values =
  | { kind: "words"; words: readonly string[] }
  | { kind: "labels" | "labels or files" | "files" | "users" | "groups" | "any" };

/** A flag as the shells need it. */
export interface CompletedFlag {
  /** With its dashes. */
  names: string[];
  /** The first sentence of its help. */
  help: string;
  /** Undefined for a switch. */
  value?: { form: string; values: Values; optional: boolean };
  repeatable: boolean;
}

/** All flags, in the order in which --help has them. */
export const completedFlags: CompletedFlag[] = [
  ...Object.values<Flag>(switches),
  ...Object.values<Flag>(options),
  ...Object.values<Flag>(serviceFlags),
].map(describe);

/** The names of the flags whose value is the next word, whatever that is. */
export const flagsWithValue = completedFlags
  .filter(({ value }) => value?.optional === false)
  .flatMap(({ names }) => names);

/** The names of the flags whose value may be left out: the next word is a value where it does not begin with a dash. */
export const flagsWithOptionalValue = completedFlags
  .filter(({ value }) => value?.optional)
  .flatMap(({ names }) => names);

/** The switch or flag after which all words are files. */
export const takesFiles = `--${serviceFlags.checkPlist.flag}`;

/**
 * The shell command that prints the labels of the services which run this program, one a line: the names of the
 * property lists that mention it. Plists may be binary; grep(1) finds the program's name in these too.
 */
export const listLabels = [
  "grep -ls launch_socket_server",
  ...["~/Library/LaunchAgents", "/Library/LaunchAgents", "/Library/LaunchDaemons"].map((folder) => `${folder}/*.plist`),
  '| sed "s|.*/||; s|[.]plist\\$||" | sort -u',
].join(" ");

function describe(flag: Flag): CompletedFlag {
  const [sentence = ""] = flag.help.split(/\.(?: |$)/);
  const described = {
    names: [`--${flag.flag}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])],
    help: sentence,
    repeatable: flag.repeatable !== undefined,
  };
  if (flag.value === undefined) return described;
  return { ...described, value: { form: flag.value, values: valuesOf(flag), optional: flag.optional === true } };
}

function valuesOf({ flag, value, choices }: Flag): Values {
  if (choices) return { kind: "words", words: choices };
  if (flag === serviceFlags.install.flag) return { kind: "labels or files" };
  switch (value) {
    case "label":
    case "label|pid":
      return { kind: "labels" };
    case "file":
    case "path":
    case "[name=]path":
      return { kind: "files" };
    case "user":
      return { kind: "users" };
    case "group":
      return { kind: "groups" };
    default:
      return { kind: "any" };
  }
}
