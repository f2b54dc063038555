import { accessSync, constants, type Stats, statSync } from "node:fs";
import { resolve } from "node:path";

/** PATH where nobody has set one: launchd's for its jobs, and execvp(3)'s (_PATH_STDPATH of macOS's paths.h). */
export const standardPath = "/usr/bin:/bin:/usr/sbin:/sbin";

/**
 * Where a program of that name may lie, as execvp(3) looks: a folder of PATH that is empty or relative is below `folder`, the
 * working directory (environ(7)). Not by Bun.which, which knows neither.
 */
export function searchPath(name: string, path: string | undefined, folder: string): string[] {
  return (path ?? standardPath).split(":").map((entry) => resolve(folder, entry, name));
}

/** Whether it is a file that this user may execute. */
export function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Whether a shell would have put something else in the place of a path's beginning. */
export function isForShell(text: string): boolean {
  return /^(~[\w.-]*|\$\{[A-Za-z_]\w*\}|\$[A-Za-z_]\w*)(\/|$)/.test(text);
}

/** What is wrong with such a text where no shell reads it, as the end of a sentence. */
export const notExpanded = "nothing but a shell expands it; write the whole path";

/**
 * What a name that no folder of PATH has is instead, and what to do, as the end of a sentence; null where nothing shows. `folder` is the working
 * directory.
 */
export function explainName(name: string, path: string | undefined, folder: string): string | null {
  if (/\S\s+\S/.test(name)) return "it is several words in one; write each as a word of its own";
  const here = resolve(folder, name);
  let found: Stats;
  try {
    found = statSync(here);
  } catch {
    return null;
  }
  if (found.isDirectory()) return "it is a folder; name the program in it";
  if (!found.isFile()) return null;
  const more = isExecutableFile(here) ? "" : " and make it executable, or write what runs it first";
  return `it is not in PATH (${path ?? "not set"}), but in this folder; write ./${name}${more}`;
}
