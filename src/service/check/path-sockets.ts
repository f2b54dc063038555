import { dirname } from "node:path";
import { maxSocketPath } from "../../address.ts";
import { quote } from "../../errors.ts";
import type { Dictionary } from "../plist/value.ts";
import { stat } from "./access.ts";
import { describe, type Inspection, own } from "./inspection.ts";

/** Where launchd binds a Unix socket. */
export function checkPath(inspection: Inspection, key: string, path: string): void {
  const folder = dirname(path);
  const bytes = Buffer.byteLength(path);
  if (!path.startsWith("/")) {
    inspection.error(key, `${quote(path)} is not an absolute path`, "write the whole path");
  } else if (bytes > maxSocketPath) {
    inspection.error(
      key,
      `the path has ${bytes} bytes and a Unix socket takes at most ${maxSocketPath}`,
      "choose a shorter one",
    );
  } else if (!inspection.portable && !stat(folder)?.isDirectory()) {
    inspection.error(key, `there is no folder ${folder}, so launchd cannot bind the socket`, `mkdir ${folder}`);
  }
}

/**
 * Who may connect to it: launchd binds it for its owner alone, and then gives it the mode (launchd-842, support/launchctl.c:1475-1483). Property
 * lists know no octal numbers.
 */
export function checkMode(inspection: Inspection, entryKey: string, entry: Dictionary): void {
  const key = `${entryKey}.SockPathMode`;
  const mode = own(entry, "SockPathMode");
  if (mode === undefined) {
    if (inspection.kind === "agent" || own(entry, "SockPathOwner") !== undefined) return;
    const why = "it is missing, so only its owner, root, may connect";
    inspection.note(key, why, `${inDecimal("666")} (--listen-mode 666), or set SockPathOwner`);
  } else if (typeof mode !== "number" && typeof mode !== "bigint") {
    const octal = typeof mode === "string" ? mode.match(/^0?([0-7]{3})$/)?.[1] : undefined;
    inspection.error(key, `it is ${describe(mode)}, and launchd wants a decimal integer`, inDecimal(octal ?? "666"));
  } else if (mode > 0o777 && /^[0-7]{3}$/.test(String(mode))) {
    const why = `it is ${mode}, which is ${mode.toString(8)} in octal: launchd wants a decimal integer`;
    inspection.note(key, why, inDecimal(String(mode)));
  }
}

function inDecimal(octal: string): string {
  return `write <integer>${Number.parseInt(octal, 8)}</integer> for 0${octal}`;
}
