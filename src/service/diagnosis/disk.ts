import { dirname } from "node:path";
import { ask } from "../tool.ts";

/** Below so many KB free a disk is full for a log: a block that is begun takes 4. */
const least = 4;

/** Whether the disk that a path lies, or is to lie, on is full. False where df(1) does not say. */
export async function isDiskFull(path: string): Promise<boolean> {
  const text = (await ask("/bin/df", "-Pk", path)) || (await ask("/bin/df", "-Pk", dirname(path)));
  return text !== null && (readFree(text) ?? least) < least;
}

/** The free KB that `df -Pk` tells: the fourth number of its second line, before a percentage (POSIX; names may have spaces). */
export function readFree(text: string): number | null {
  const [, free] = text.split("\n")[1]?.match(/\s\d+\s+\d+\s+(-?\d+)\s+\d+%\s/) ?? [];
  return free === undefined ? null : Number(free);
}
