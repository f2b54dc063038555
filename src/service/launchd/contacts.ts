import { type Address, parsePort } from "../../address.ts";
import { defaultSocketNames, type Settings } from "../../settings/options.ts";
import { socketNamesOf } from "../../settings/routes.ts";
import { own } from "../check/inspection.ts";
import { type Dictionary, isDictionary } from "../plist/value.ts";

/** Where a client can reach a service. */
export type Contact = Address;

const wildcards = ["0.0.0.0", "::"];

/** What launchd binds for a service, in the order of the plist; the sockets that the program is asked for, and streams alone. */
export function boundAddresses(job: Dictionary, settings: Settings): Address[] {
  return entriesOf(job, settings).flatMap(addressOf);
}

/** The same as a client on this machine can connect to it: by loopback where launchd binds every address. */
export function contactsOf(job: Dictionary, settings: Settings): Contact[] {
  return boundAddresses(job, settings).map((address) => {
    if (address.kind === "unix" || !wildcards.includes(address.host)) return address;
    return { ...address, host: address.host === "::" ? "::1" : "127.0.0.1" };
  });
}

/** Whether launchd has to bind a port under 1024 on a single address, which takes root (xnu, in_pcb.c): the wildcard one does not. */
export function takesRoot(job: Dictionary, settings: Settings): boolean {
  return boundAddresses(job, settings).some(
    (address) => address.kind === "tcp" && !wildcards.includes(address.host) && address.port < 1024,
  );
}

function entriesOf(job: Dictionary, settings: Settings): Dictionary[] {
  const sockets = own(job, "Sockets");
  if (!isDictionary(sockets)) return [];
  const names = socketNamesOf(settings) ?? [defaultSocketNames.find((name) => own(sockets, name) !== undefined) ?? ""];
  return names.flatMap((name) => own(sockets, name) ?? []).filter(isDictionary);
}

/** No node is every address. */
function addressOf(entry: Dictionary): Address[] {
  const { SockPathName, SockNodeName, SockServiceName, SockFamily, SockType, SockProtocol } = entry;
  const isDatagram =
    /^dgram$/i.test(String(SockType)) || (SockType === undefined && /^udp$/i.test(String(SockProtocol)));
  if (isDatagram) return [];
  if (typeof SockPathName === "string") return [{ kind: "unix", path: SockPathName }];
  if (SockServiceName === undefined) return [];
  const node = typeof SockNodeName === "string" ? SockNodeName : "";
  const everywhere = /^ipv6/i.test(String(SockFamily)) ? "::" : "0.0.0.0";
  const isEvery = node === "" || node === "0.0.0.0";
  return [{ kind: "tcp", host: isEvery ? everywhere : node, port: parsePort(String(SockServiceName)) }];
}
