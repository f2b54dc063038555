import { accessSync, constants, statSync } from "node:fs";
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
