import { readFileSync, statSync } from "node:fs";
import { formatAddress } from "../../address.ts";
import type { PlistValue } from "../plist/value.ts";
import type { Sight } from "./probe.ts";

/** How long the log is before the service writes to it; 0 where there is none. */
export function logSize(log: PlistValue | undefined): number {
  try {
    return typeof log === "string" ? statSync(log).size : 0;
  } catch {
    return 0;
  }
}

/** Says what the clients saw, a line for each address. What an open connection does not tell, the log since `size` may. */
export function tellSights(
  sights: Sight[],
  log: PlistValue | undefined,
  size: number,
  print: (text: string) => void,
): void {
  const waiting = isWaiting(log, size);
  for (const { contact, state } of sights) print(`${formatAddress(contact)}: ${describe(state, waiting)}`);
}

function describe(state: Sight["state"], waiting: boolean): string {
  switch (state) {
    case "answered":
      return "a client was answered by the program";
    case "closed":
      return "a client was connected, and then closed by the program; the log may say why";
    case "open":
      return waiting
        ? "a client is connected and waits: the program does not listen yet; the log says where it is expected"
        : "a client is connected to the program";
  }
}

/** Whether the last that the log says of the program is that clients wait for it (proxy/outage.ts). */
function isWaiting(log: PlistValue | undefined, size: number): boolean {
  if (typeof log !== "string") return false;
  try {
    const lines = readFileSync(log).subarray(size).toString().split("\n");
    const last = lines.findLast((line) =>
      /: the program .*(; clients wait for it$|accepts connections at )/.test(line),
    );
    return last?.endsWith("; clients wait for it") ?? false;
  } catch {
    // Who installs may not read it.
    return false;
  }
}
