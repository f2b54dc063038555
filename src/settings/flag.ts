/** A flag of the command line: how it is written, and its line in help, man page, completions and docs. */
export interface Flag {
  /** Without `--`. */
  flag: string;
  /** One letter that says the same, without `-`. */
  short?: string;
  /** The form of its value; none for a switch. */
  value?: string;
  /** All values that it may have, where these are a few words. */
  choices?: readonly string[];
  /** Whether the value may be left out, and is the empty text then; one that begins with `-` has to follow a `=`. */
  optional?: true;
  /** The environment variable that says the same; a flag wins over it, and an empty one counts as not set. */
  variable?: string;
  /** The text that is read when neither flag nor variable is given. */
  default?: string;
  /** That text where the sockets come from launchd, if it is another one there. */
  launchdDefault?: string;
  /** Whether the flag may be given more than once. A variable then holds one value, or with `words` several with white space between. */
  repeatable?: "flag" | "words";
  /** Nothing after this one is read, as after `--help`. */
  last?: true;
  /** One sentence. */
  help: string;
}

/** What help, man page and docs say of a flag: its sentences, and whether it may be repeated. */
export function describeFlag({ help, repeatable }: Pick<Flag, "help" | "repeatable">): string {
  if (repeatable === undefined) return help;
  return `${help} May be repeated${repeatable === "words" ? "; the variable holds several, with white space between" : ""}.`;
}

/** The defaults as help, man page and docs show them; undefined where there is none. */
export function describeDefault({
  default: text,
  launchdDefault,
}: Pick<Flag, "default" | "launchdDefault">): string | undefined {
  return launchdDefault === undefined ? text : `${text}, under launchd ${launchdDefault}`;
}
