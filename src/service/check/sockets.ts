import { parsePort } from "../../address.ts";
import { quote, UserError } from "../../errors.ts";
import { defaultSocketNames } from "../../settings/options.ts";
import { socketNamesOf } from "../../settings/routes.ts";
import { byNearness, nearest } from "../../settings/suggest.ts";
import { type Dictionary, isDictionary, type PlistValue } from "../plist/value.ts";
import { type Bound, checkLoops, checkNode, checkTwins } from "./addresses.ts";
import { describe, type Inspection, own } from "./inspection.ts";
import { checkMode, checkPath } from "./path-sockets.ts";
import { checkBoolean } from "./values.ts";

/** The keys of a socket's dictionary (launchd.plist(5)). */
const socketKeys = [
  "SockType",
  "SockPassive",
  "SockNodeName",
  "SockServiceName",
  "SockFamily",
  "SockProtocol",
  "SockPathName",
  "SockPathMode",
  "SockPathOwner",
  "SockPathGroup",
  "SecureSocketWithKey",
  "Bonjour",
  "MulticastGroup",
  "ReceivePacketInfo",
];

/** The entries under Sockets: whether launchd can bind them, and whether we ask for them. */
export async function checkSockets(inspection: Inspection): Promise<void> {
  const sockets = inspection.dictionary("Sockets");
  const served = checkNames(inspection, sockets);
  const bound: Bound[] = [];
  for (const [name, value] of Object.entries<PlistValue>(sockets ?? {})) {
    const entries = Array.isArray(value) ? value : [value];
    for (const [index, entry] of entries.entries()) {
      const key = `Sockets.${name}${Array.isArray(value) ? `[${index}]` : ""}`;
      if (!isDictionary(entry)) {
        inspection.error(key, `it is ${describe(entry)}, and launchd wants a dictionary`, "write it as <dict>");
        continue;
      }
      bound.push(...(await checkEntry(inspection, key, entry, served === null || served.includes(name))));
    }
    if (entries.length === 0) {
      inspection.error(`Sockets.${name}`, "it is empty, so launchd binds nothing", "add SockServiceName");
    }
  }
  checkTwins(inspection, bound);
  await checkLoops(inspection, bound);
}

/** Returns the names that are served; null where that cannot be told. */
function checkNames(inspection: Inspection, sockets: Dictionary | undefined): string[] | null {
  const { settings } = inspection;
  // With --listen launchd's sockets are not asked for; that has been noted.
  if (settings !== null && settings.listen.length > 0) return null;
  const present = Object.keys(sockets ?? {});
  if (present.length === 0) {
    if (sockets !== undefined || own(inspection.job, "Sockets") === undefined) {
      const why = "there are none, so launchd binds no port and nothing can be activated";
      inspection.error(
        "Sockets",
        why,
        `add one called ${(settings && socketNamesOf(settings)?.[0]) ?? defaultSocketNames[0]}`,
      );
    }
    return null;
  }
  if (settings === null) return null;
  const wanted = socketNamesOf(settings);
  const known = (name: string) =>
    byNearness(name, present)
      .map((name) => quote(name))
      .join(", ");
  if (wanted === null) {
    const found = defaultSocketNames.find((name) => present.includes(name));
    if (found !== undefined) return noteIdle(inspection, present, [found]);
    const why = `the socket "${defaultSocketNames[0]}" will be asked for, and there is only ${known(defaultSocketNames[0])}`;
    inspection.error("Sockets", why, `rename the key, or set LAUNCH_DAEMON_SOCKET_NAME to ${present[0]}`);
    return null;
  }
  for (const name of wanted) {
    if (settings.passSockets && name.includes(":")) {
      const why = `LISTEN_FDNAMES separates names by ":", and ${quote(name)} has one`;
      inspection.error(`Sockets.${name}`, why, "rename the key and what asks for it");
    }
    if (present.includes(name)) continue;
    const why = `the socket ${quote(name)} will be asked for, and there is only ${known(name)}`;
    inspection.error("Sockets", why, "rename the key, or ask for one that there is");
  }
  return noteIdle(inspection, present, wanted);
}

/** launchd binds these as well, and their clients wait for ever. */
function noteIdle(inspection: Inspection, present: string[], served: string[]): string[] {
  for (const name of present) {
    if (served.includes(name)) continue;
    const why = `only ${served.join(", ")} will be served; clients of this one wait for ever`;
    inspection.note(`Sockets.${name}`, why, "name it by --socket-name or --route, or leave it out");
  }
  return served;
}

async function checkEntry(inspection: Inspection, key: string, entry: Dictionary, served: boolean): Promise<Bound[]> {
  for (const name of Object.keys(entry)) {
    if (socketKeys.includes(name)) continue;
    const meant = nearest(name, socketKeys, 4);
    const fix = meant === undefined ? "leave it out" : `did you mean ${meant}?`;
    inspection.note(`${key}.${name}`, "launchd does not know this key and ignores it", fix);
  }
  checkBoolean(inspection, `${key}.SockPassive`, own(entry, "SockPassive"));
  const protocol = checkType(inspection, key, entry, served);
  if (own(entry, "SockPassive") === false) {
    const why = "launchd then connects to the address instead of listening on it";
    inspection.error(`${key}.SockPassive`, why, "leave it out");
  }
  const path = inspection.text("SockPathName", entry, `${key}.SockPathName`);
  if (path !== undefined) {
    checkPath(inspection, `${key}.SockPathName`, path);
    checkMode(inspection, key, entry);
    return [{ key, protocol, address: { kind: "unix", path } }];
  }
  // launchd makes up the path of such a socket.
  if (own(entry, "SecureSocketWithKey") !== undefined) return [];
  const port = checkPort(inspection, key, entry);
  const addresses = await checkNode(inspection, key, entry);
  if (port === undefined) return [];
  return addresses.map((host) => ({ key, protocol, address: { kind: "tcp", host, port } }));
}

function checkType(inspection: Inspection, key: string, entry: Dictionary, served: boolean): "stream" | "dgram" {
  const type = inspection.text("SockType", entry, `${key}.SockType`)?.toLowerCase();
  const protocol = inspection.text("SockProtocol", entry, `${key}.SockProtocol`)?.toLowerCase();
  const family = inspection.text("SockFamily", entry, `${key}.SockFamily`)?.toLowerCase();
  if (family !== undefined && !["ipv4", "ipv6", "ipv4v6", "unix"].includes(family)) {
    inspection.error(
      `${key}.SockFamily`,
      "launchd does not know this family",
      "write IPv4, IPv6 or IPv4v6, or leave it out",
    );
  }
  if (type !== undefined && type !== "stream" && type !== "dgram") {
    inspection.error(`${key}.SockType`, "only stream sockets can be served", "write stream, or leave it out");
    return "stream";
  }
  const dgram = type === "dgram" || (type === undefined && protocol === "udp");
  // Handed over, a datagram socket is the program's own.
  if (dgram && served && inspection.settings?.passSockets === false) {
    const why = "datagrams cannot be relayed";
    inspection.error(
      `${key}.${type ? "SockType" : "SockProtocol"}`,
      why,
      "write stream, or hand the sockets over with --pass-sockets",
    );
  }
  return dgram ? "dgram" : "stream";
}

function checkPort(inspection: Inspection, key: string, entry: Dictionary): number | undefined {
  const path = `${key}.SockServiceName`;
  const value = own(entry, "SockServiceName");
  if (value === undefined) {
    inspection.error(path, "it is missing, so launchd binds a random port", "add the port, such as 80");
    return undefined;
  }
  // launchd takes an integer as well (launchd-842, support/launchctl.c:1517), and without one the kernel chooses the port.
  if (typeof value !== "string" && typeof value !== "number") {
    inspection.error(path, `it is ${describe(value)}, and launchd wants a string`, "write the port as <string>");
    return undefined;
  }
  try {
    return parsePort(String(value));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // The names of services are in each machine's own /etc/services.
    if (inspection.portable && /^[a-z][\w-]*$/i.test(String(value))) return undefined;
    const why = value === "" ? "it is empty, so launchd binds a random port" : error.message;
    inspection.error(path, why, "write a number or a name of /etc/services");
    return undefined;
  }
}
