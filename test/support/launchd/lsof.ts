import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * lsof's stand-in: this machine's own lsof, whose fields (-F) are those of a Mac's, but that the process that plays launchd (this one) is
 * called launchd and has its pid, 1. What each user may see is the kernel's: others than root see their own processes alone, here and there.
 */
export function placeLsof(path: string): void {
  const real = ["/usr/bin/lsof", "/usr/sbin/lsof"].find(existsSync);
  if (real === undefined) throw new Error("there is no lsof: install the package of that name");
  mkdirSync(dirname(path), { recursive: true });
  const rename = `/^p/ { launchd = $0 == "p${process.pid}" } launchd && /^p/ { $0 = "p1" } launchd && /^c/ { $0 = "claunchd" } { print }`;
  writeFileSync(path, `#!/bin/sh\n${real} "$@" 2>/dev/null | awk '${rename}'\n`);
  chmodSync(path, 0o755);
}
