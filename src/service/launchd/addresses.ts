import { type Address, formatAddress } from "../../address.ts";
import type { ProgramCommand } from "../../settings/command-line.ts";
import { Inspection } from "../check/inspection.ts";
import { thisMachine } from "../check/machine.ts";
import { checkSettings } from "../check/settings.ts";
import type { Dictionary } from "../plist/value.ts";
import { boundAddresses } from "./contacts.ts";

/** What a property list makes of this program: what launchd binds for it, and the program that it runs (null for `-`). Nothing where its settings cannot be read. */
export function readJob(job: Dictionary | null): { addresses: Address[]; program: ProgramCommand | null } {
  if (job === null) return { addresses: [], program: null };
  const inspection = new Inspection(job, "daemon", thisMachine, true);
  checkSettings(inspection);
  const { settings, program } = inspection;
  return { addresses: settings === null ? [] : boundAddresses(job, settings), program };
}

/** Its addresses for a sentence that goes on with what they are: `127.0.0.1:80 is`. */
export function addressesAre(job: Dictionary | null): string {
  const addresses = readJob(job).addresses.map(formatAddress);
  if (addresses.length === 0) return "its port is";
  return `${addresses.join(", ")} ${addresses.length === 1 ? "is" : "are"}`;
}
