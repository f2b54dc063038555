import { type Address, formatAddress } from "../../address.ts";
import { Inspection } from "../check/inspection.ts";
import { thisMachine } from "../check/machine.ts";
import { checkSettings } from "../check/settings.ts";
import type { Dictionary } from "../plist/value.ts";
import { boundAddresses } from "./contacts.ts";

/** What launchd binds for the service of a property list; none where its settings cannot be read. */
export function addressesOf(job: Dictionary | null): Address[] {
  if (job === null) return [];
  const inspection = new Inspection(job, "daemon", thisMachine, true);
  checkSettings(inspection);
  return inspection.settings === null ? [] : boundAddresses(job, inspection.settings);
}

/** The same for a sentence that goes on with "is" or "are": `127.0.0.1:80 is`. */
export function addressesAre(job: Dictionary | null): string {
  const addresses = addressesOf(job).map(formatAddress);
  if (addresses.length === 0) return "its port is";
  return `${addresses.join(", ")} ${addresses.length === 1 ? "is" : "are"}`;
}
