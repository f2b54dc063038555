import { switches } from "./cli.ts";
import { verbs } from "./service/command.ts";
import { type ServiceFlags, serviceFlags } from "./service/flags.ts";
import { settingFlags, splitCommandLine, strayFlag } from "./settings/command-line.ts";
import { settingVariables } from "./settings/options.ts";
import { nearest } from "./settings/suggest.ts";

/** First words that people take for commands of ours, where those are flags. */
const commands: string[] = [...Object.values(switches), ...verbs.map((verb) => serviceFlags[verb])].map(
  ({ flag }) => flag,
);

/**
 * What a command line that has failed (argv[0] left out) may have been meant to be: sentences to follow the error. Nothing is ever done
 * for them: everything after the program belongs to the program.
 */
export function slipsIn(args: string[]): string[] {
  let split: { flags: ServiceFlags; rest: string[] };
  try {
    split = splitCommandLine(args, { ...switches, ...settingFlags, ...serviceFlags });
  } catch {
    // What is wrong before the program has been said.
    return [];
  }
  const { flags, rest } = split;
  const [program, ...words] = rest;
  if (program === undefined || flags.checkPlist) return [];
  if (commands.includes(program)) return [`${program} is taken for the program; did you mean --${program}?`];
  const isService = Object.keys(serviceFlags).some((name) => name in flags);
  const stray = strayFlag(words, { ...settingFlags, ...(isService ? serviceFlags : {}) });
  return stray === undefined ? [] : [`${stray} stands after the program; put it before ${program}`];
}

/** A variable that may have been meant to be a setting: within two edits of one that there is. */
export function misspeltVariables(environment: Record<string, string | undefined>): string[] {
  return Object.keys(environment).flatMap((name) => {
    if (!/^LAUNCH_(DAEMON|PROGRAM)_/.test(name) || settingVariables.includes(name)) return [];
    const meant = nearest(name, settingVariables, 2);
    return meant === undefined ? [] : [`${name} is not a setting and has no effect; did you mean ${meant}?`];
  });
}
