import { isIP } from "node:net";
import { type Address, formatAddress } from "../../address.ts";
import { quote } from "../../errors.ts";
import { findOwnListener } from "../../proxy/forwarding-loop.ts";
import { canonicalHost, isLoopback } from "../../system/ip.ts";
import { platform } from "../../system/platform.ts";
import type { Dictionary } from "../plist/value.ts";
import { type Inspection, own } from "./inspection.ts";

/** An address that launchd binds for an entry. */
export interface Bound {
  key: string;
  protocol: "stream" | "dgram";
  address: Address;
}

const wildcards = ["0.0.0.0", canonicalHost("::")];

/** Returns the addresses that launchd binds. */
export async function checkNode(inspection: Inspection, key: string, entry: Dictionary): Promise<string[]> {
  const path = `${key}.SockNodeName`;
  const node = inspection.text("SockNodeName", entry, path);
  const { SockFamily } = entry;
  const family = typeof SockFamily === "string" ? SockFamily.toLowerCase() : "";
  const ofFamily = (address: string) =>
    (family !== "ipv4" || isIP(address) === 4) && (!family.startsWith("ipv6") || isIP(address) === 6);
  if (node === undefined || node === "") {
    inspection.note(
      path,
      "it is missing, so the port is open to the whole network",
      `add 127.0.0.1 if it need not be, or ${firewallAdvice(inspection)}`,
    );
    return ["0.0.0.0", "::"].filter(ofFamily);
  }
  if (node === "*") {
    inspection.error(path, "launchd does not know *, and binds nothing", "write 0.0.0.0 for the whole network");
    return [];
  }
  const addresses = await addressesOf(inspection, node);
  if (addresses === null) return [];
  if (addresses.length === 0) {
    inspection.error(path, `the host ${quote(node)} is unknown`, "write an IP address of this machine");
    return [];
  }
  if (!addresses.some(ofFamily)) {
    inspection.error(path, `${node} has no address of the family ${SockFamily}`, "leave SockFamily out");
    return [];
  }
  const isHere = inspection.portable ? () => true : hereIs(inspection.machine.addresses());
  const here = addresses.filter(ofFamily).filter(isHere);
  if (here.length === 0) {
    const which = addresses.includes(node) ? node : `${node} (${addresses.join(", ")})`;
    const why = `${which} is not an address of this machine, so launchd cannot bind it`;
    inspection.error(path, why, "write one of its own, or 127.0.0.1");
  } else if (here.some((address) => wildcards.includes(canonicalHost(address)))) {
    inspection.note(
      path,
      "the port is open to the whole network",
      `write 127.0.0.1 if it need not be, or ${firewallAdvice(inspection)}`,
    );
  }
  return here;
}

/** The application firewall, where it is on, asks whether a program may accept connections; a new version is a new program to it. */
function firewallAdvice({ job, settings, program }: Inspection): string {
  const words = own(job, "ProgramArguments");
  const ours = own(job, "Program") ?? (Array.isArray(words) ? words[0] : undefined);
  const accepts = settings?.passSockets ? program?.[0] : ours;
  const tool = "/usr/libexec/ApplicationFirewall/socketfilterfw";
  return `have the firewall let it in, which asks again after each upgrade: sudo ${tool} --unblockapp ${String(accepts ?? "PROGRAM")}`;
}

/** launchd binds the first of two equal addresses, and the other not. */
export function checkTwins(inspection: Inspection, bound: Bound[]): void {
  const first = new Map<string, string>();
  const told = new Set<string>();
  for (const { key, protocol, address } of bound) {
    const name =
      address.kind === "unix" ? `unix ${address.path}` : `${protocol} ${canonicalHost(address.host)} ${address.port}`;
    const twin = first.get(name);
    first.set(name, twin ?? key);
    if (twin === undefined || told.has(key)) continue;
    told.add(key);
    inspection.error(
      key,
      `it has the same ${address.kind === "unix" ? "path" : "address and port"} as ${twin}, so launchd can bind only one of them`,
      "leave one out",
    );
  }
}

/** A target that is one of the job's own sockets would be connected to for ever. */
export async function checkLoops(inspection: Inspection, bound: Bound[]): Promise<void> {
  for (const { target } of inspection.routes) {
    const own = target && (await findOwnListener(target, bound));
    if (!target || !own) continue;
    const why = `the target ${formatAddress(target)} is ${formatAddress(own)}, which launchd binds for this job`;
    const variable = target.kind === "tcp" ? "LAUNCH_PROGRAM_TCP_ADDRESS" : "LAUNCH_PROGRAM_SOCKET_PATH";
    inspection.error(
      inspection.settingKey("LAUNCH_DAEMON_ROUTES", variable),
      why,
      "give the server an address of its own",
    );
  }
}

/** Null where a name is for another machine to look up. */
async function addressesOf({ machine, portable }: Inspection, node: string): Promise<string[] | null> {
  if (isIP(node) !== 0) return [node];
  if (!portable) return machine.lookUp(node);
  return node === "localhost" ? ["127.0.0.1", "::1"] : null;
}

/** Whether an address is one of those, or is any address of this machine. */
function hereIs(addresses: string[]): (address: string) => boolean {
  const known = [...addresses.map(canonicalHost), ...wildcards];
  // On Linux all of 127.0.0.0/8 is this machine; on a Mac only what an interface has.
  const isOurs = (host: string) => known.includes(host) || (platform === "linux" && isLoopback(host));
  return (address) => isOurs(canonicalHost(address));
}
