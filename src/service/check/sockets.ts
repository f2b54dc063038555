import { dirname } from "node:path";
import { maxSocketPath, parsePort } from "../../address.ts";
import { quote, UserError } from "../../errors.ts";
import { defaultSocketNames } from "../../settings/options.ts";
import { socketNamesOf } from "../../settings/routes.ts";
import { type Dictionary, isDictionary, type PlistValue } from "../plist/value.ts";
import { stat } from "./access.ts";
import { type Bound, checkLoops, checkNode, checkTwins } from "./addresses.ts";
import { describe, own, type Subject } from "./inspection.ts";

/** The entries under Sockets: whether launchd can bind them, and whether we ask for them. */
export async function checkSockets(subject: Subject): Promise<void> {
  const sockets = subject.dictionary("Sockets");
  const served = checkNames(subject, sockets);
  const bound: Bound[] = [];
  for (const [name, value] of Object.entries<PlistValue>(sockets ?? {})) {
    const entries = Array.isArray(value) ? value : [value];
    for (const [index, entry] of entries.entries()) {
      const key = `Sockets.${name}${Array.isArray(value) ? `[${index}]` : ""}`;
      if (!isDictionary(entry)) {
        subject.error(key, `it is ${describe(entry)}, and launchd wants a dictionary`, "write it as <dict>");
        continue;
      }
      bound.push(...(await checkEntry(subject, key, entry, served === null || served.includes(name))));
    }
    if (entries.length === 0) {
      subject.error(`Sockets.${name}`, "it is empty, so that launchd binds nothing", "add SockServiceName");
    }
  }
  checkTwins(subject, bound);
  await checkLoops(subject, bound);
}

/** Returns the names that are served; null where that cannot be told. */
function checkNames(subject: Subject, sockets: Dictionary | undefined): string[] | null {
  const { settings } = subject;
  // With --listen launchd's sockets are not asked for; that has been noted.
  if (settings !== null && settings.listen.length > 0) return null;
  const present = Object.keys(sockets ?? {});
  if (present.length === 0) {
    if (sockets !== undefined || own(subject.job, "Sockets") === undefined) {
      const why = "there are none, so that launchd binds no port and nothing can be activated";
      subject.error(
        "Sockets",
        why,
        `add one called ${(settings && socketNamesOf(settings)?.[0]) ?? defaultSocketNames[0]}`,
      );
    }
    return null;
  }
  if (settings === null) return null;
  const wanted = socketNamesOf(settings);
  const known = present.map((name) => quote(name)).join(", ");
  if (wanted === null) {
    const found = defaultSocketNames.find((name) => present.includes(name));
    if (found !== undefined) return noteIdle(subject, present, [found]);
    const why = `the socket "${defaultSocketNames[0]}" will be asked for, and there is only ${known}`;
    subject.error("Sockets", why, `rename the key, or set LAUNCH_DAEMON_SOCKET_NAME to ${present[0]}`);
    return null;
  }
  for (const name of wanted) {
    if (settings.passSockets && name.includes(":")) {
      const why = `LISTEN_FDNAMES separates names by ":", and ${quote(name)} has one`;
      subject.error(`Sockets.${name}`, why, "rename the key and what asks for it");
    }
    if (present.includes(name)) continue;
    const why = `the socket ${quote(name)} will be asked for, and there is only ${known}`;
    subject.error("Sockets", why, "rename the key, or ask for one that there is");
  }
  return noteIdle(subject, present, wanted);
}

/** launchd binds these as well, and their clients wait for ever. */
function noteIdle(subject: Subject, present: string[], served: string[]): string[] {
  for (const name of present) {
    if (served.includes(name)) continue;
    const why = `only ${served.join(", ")} will be served; clients of this one wait for ever`;
    subject.note(`Sockets.${name}`, why, "name it by --socket-name or --route, or leave it out");
  }
  return served;
}

async function checkEntry(subject: Subject, key: string, entry: Dictionary, served: boolean): Promise<Bound[]> {
  const protocol = checkType(subject, key, entry, served);
  if (own(entry, "SockPassive") === false) {
    const why = "launchd then connects to the address instead of listening on it";
    subject.error(`${key}.SockPassive`, why, "leave it out");
  }
  const path = subject.text("SockPathName", entry, `${key}.SockPathName`);
  if (path !== undefined) {
    checkPath(subject, `${key}.SockPathName`, path);
    return [{ key, protocol, address: { kind: "unix", path } }];
  }
  // launchd makes up the path of such a socket.
  if (own(entry, "SecureSocketWithKey") !== undefined) return [];
  const port = checkPort(subject, key, entry);
  const addresses = await checkNode(subject, key, entry);
  if (port === undefined) return [];
  return addresses.map((host) => ({ key, protocol, address: { kind: "tcp", host, port } }));
}

function checkType(subject: Subject, key: string, entry: Dictionary, served: boolean): "stream" | "dgram" {
  const type = subject.text("SockType", entry, `${key}.SockType`)?.toLowerCase();
  const protocol = subject.text("SockProtocol", entry, `${key}.SockProtocol`)?.toLowerCase();
  const family = subject.text("SockFamily", entry, `${key}.SockFamily`)?.toLowerCase();
  if (family !== undefined && !["ipv4", "ipv6", "ipv4v6", "unix"].includes(family)) {
    subject.error(
      `${key}.SockFamily`,
      "launchd does not know this family",
      "write IPv4, IPv6 or IPv4v6, or leave it out",
    );
  }
  if (type !== undefined && type !== "stream" && type !== "dgram") {
    subject.error(`${key}.SockType`, "only stream sockets can be served", "write stream, or leave it out");
    return "stream";
  }
  const dgram = type === "dgram" || (type === undefined && protocol === "udp");
  // Handed over, a datagram socket is the program's own.
  if (dgram && served && subject.settings?.passSockets === false) {
    const why = "datagrams cannot be relayed";
    subject.error(
      `${key}.${type ? "SockType" : "SockProtocol"}`,
      why,
      "write stream, or hand the sockets over with --pass-sockets",
    );
  }
  return dgram ? "dgram" : "stream";
}

function checkPath(subject: Subject, key: string, path: string): void {
  const folder = dirname(path);
  const bytes = Buffer.byteLength(path);
  if (!path.startsWith("/")) {
    subject.error(key, `${quote(path)} is not an absolute path`, "write the whole path");
  } else if (bytes > maxSocketPath) {
    subject.error(
      key,
      `the path has ${bytes} bytes and a Unix socket takes at most ${maxSocketPath}`,
      "choose a shorter one",
    );
  } else if (!stat(folder)?.isDirectory()) {
    subject.error(key, `there is no folder ${folder}, so that launchd cannot bind the socket`, `mkdir ${folder}`);
  }
}

function checkPort(subject: Subject, key: string, entry: Dictionary): number | undefined {
  const path = `${key}.SockServiceName`;
  const value = own(entry, "SockServiceName");
  if (value === undefined) {
    subject.error(path, "it is missing, so that launchd binds a random port", "add the port, such as 80");
    return undefined;
  }
  // launchd takes an integer as well (launchd-842, support/launchctl.c:1517), and without one the kernel chooses the port.
  if (typeof value !== "string" && typeof value !== "number") {
    subject.error(path, `it is ${describe(value)}, and launchd wants a string`, "write the port as <string>");
    return undefined;
  }
  try {
    return parsePort(String(value));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const why = value === "" ? "it is empty, so that launchd binds a random port" : error.message;
    subject.error(path, why, "write a number or a name of /etc/services");
    return undefined;
  }
}
