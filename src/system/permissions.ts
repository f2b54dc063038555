import type { Stats } from "node:fs";
import { type Platform, platform } from "./platform.ts";

/**
 * Whether an ordinary user who is not the owner may write to a file or folder, by its permission bits: everybody, or a group
 * that is not the administrators'. On macOS every local user is in `staff`.
 */
export function isWritableByOthers({ mode, gid }: Pick<Stats, "mode" | "gid">, system: Platform = platform): boolean {
  // macOS's wheel and admin (/etc/group there: 0 and 80); elsewhere root's group alone.
  const administrators = system === "macos" ? [0, 80] : [0];
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && !administrators.includes(gid));
}
