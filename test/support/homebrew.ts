/** Installs a formula with the stand-in for Homebrew beside this file, which needs Ruby. */
import { join } from "node:path";
import { runIn } from "./checkout.ts";

/** What the formula said, and where the stand-in put things. */
export interface Installation {
  readonly desc: string;
  readonly homepage: string;
  readonly version: string;
  readonly license: string;
  readonly url: string;
  readonly sha256: string;
  readonly requirements: readonly string[];
  readonly caveats: string;
  readonly requires_root: boolean;
  /** The keg, and the link that stays the same from version to version. */
  readonly prefix: string;
  readonly opt_prefix: string;
  /** The property list that `brew services start` would give to launchd. */
  readonly plist: string;
}

/**
 * Installs into `prefix`, a folder that the caller removes; `test` runs the formula's own test too. `version` is the
 * Homebrew that is played: 6.0.18 unless told otherwise.
 *
 * @throws Error with everything that Ruby said when anything fails.
 */
export async function brewInstall(
  ruby: string,
  formula: string,
  prefix: string,
  processor: "arm" | "intel",
  test?: "test",
  version?: string,
): Promise<Installation> {
  const standIn = join(import.meta.dir, "homebrew.rb");
  const command = [ruby, "-w", standIn, formula, prefix, processor, ...(test === undefined ? [] : [test])];
  const { status, stdout, stderr } = await runIn(
    ".",
    command,
    version === undefined ? {} : { HOMEBREW_STAND_IN_VERSION: version },
  );
  if (status !== 0) throw new Error(`brew install ended with ${status}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as Installation;
}
