import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { quote, UserError } from "./errors.ts";

/** A TCP address; an empty `host` is this machine. */
export interface TcpAddress {
  kind: "tcp";
  host: string;
  port: number;
}

/** The path of a Unix socket. */
export interface UnixAddress {
  kind: "unix";
  path: string;
}

export type Address = TcpAddress | UnixAddress;

/** Longest path of a Unix socket in bytes: macOS's `sun_path` holds 104 with the closing NUL (`sys/un.h`). */
export const maxSocketPath = 103;

/**
 * Reads `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (this machine), the forms that Go's `net.Dial` takes. PORT is a number
 * or a name from /etc/services. Throws a UserError that says what would be right.
 */
export function parseTcpAddress(text: string, { portZero = false } = {}): TcpAddress {
  const form = "write HOST:PORT, [IPv6]:PORT or :PORT";
  const match = text.match(/^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:]*)$/);
  if (!match) {
    const colons = text.split(":").length - 1;
    if (colons > 1 && !text.includes("[")) throw new UserError(`an IPv6 address goes in brackets; ${form}`);
    if (/^\d+$/.test(text)) throw new UserError(`it is only a port; write :${text} for this machine, or HOST:${text}`);
    throw new UserError(colons === 0 ? `the port is missing; ${form}` : `it is not an address; ${form}`);
  }
  const [, bracketed, bare, port = ""] = match;
  if (bracketed !== undefined && isIP(bracketed) !== 6) {
    throw new UserError(`what stands in brackets is not an IPv6 address; ${form}`);
  }
  if (bare === "*") throw new UserError(`there is no host *; write 0.0.0.0:${port} for every address of this machine`);
  if (bare && isIP(bare) === 0 && !isHostName(bare)) {
    throw new UserError(`${quote(bare)} is neither an IP address nor a host name; ${form}`);
  }
  return { kind: "tcp", host: bracketed ?? bare ?? "", port: parsePort(port, portZero) };
}

/** Reads the path of a Unix socket; throws a UserError for one that no socket can have. */
export function parseSocketPath(text: string): UnixAddress {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxSocketPath) {
    throw new UserError(
      `the path has ${bytes} bytes and a Unix socket takes at most ${maxSocketPath}; choose a shorter one`,
    );
  }
  if (text === "" || text.includes("\0")) throw new UserError("it is not a path; write one like /var/run/server.sock");
  return { kind: "unix", path: text };
}

/** Reads a Unix path (anything with a slash) or a TCP address. */
export function parseAddress(text: string, options = { portZero: false }): Address {
  if (text.includes("/")) return parseSocketPath(text);
  if (/^[^:]*\.sock(et)?$/.test(text)) throw new UserError(`the path of a Unix socket has a slash; write ./${text}`);
  return parseTcpAddress(text, options);
}

/** The address as people write it: `127.0.0.1:80`, `[::1]:80`, `/tmp/server.sock`. */
export function formatAddress(address: Address): string {
  if (address.kind === "unix") return address.path;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host === "" ? "localhost" : host}:${address.port}`;
}

/**
 * Every address of a host name, in the order of the system's resolver (getaddrinfo(3)); rejects for an unknown one. Not by
 * Bun's own resolver, its default on Linux: that one finds a single address of a name in /etc/hosts (Bun 1.4.5).
 */
export async function lookUpHost(host: string): Promise<string[]> {
  const found = await Bun.dns.lookup(host, { backend: "system" });
  return [...new Set(found.map(({ address }) => address))];
}

/** Reads a port number or the name of a TCP service; throws a UserError. */
export function parsePort(text: string, zero = false): number {
  if (/^\d+$/.test(text)) {
    const port = Number(text);
    if (port > 65535 || (port === 0 && !zero))
      throw new UserError(`the port ${quote(text)} is not between 1 and 65535`);
    return port;
  }
  if (text === "") throw new UserError("the port is missing; write HOST:PORT, [IPv6]:PORT or :PORT");
  const port = servicePort(text);
  if (port === undefined) {
    throw new UserError(`the port ${quote(text)} is neither a number nor a TCP service of /etc/services`);
  }
  return port;
}

/** The port of a TCP service in /etc/services (services(5): name, port/protocol, aliases, # comment). */
function servicePort(name: string): number | undefined {
  let services: string;
  try {
    services = readFileSync("/etc/services", "utf8");
  } catch {
    return undefined;
  }
  for (const line of services.split("\n")) {
    const [service, port, ...aliases] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (port?.endsWith("/tcp") && (service === name || aliases.includes(name))) return Number.parseInt(port, 10);
  }
  return undefined;
}

/** RFC 1123 host names, with the underscores that people really use. */
function isHostName(text: string): boolean {
  if (text.length > 253 || /^[\d.]+$/.test(text)) return false;
  return text
    .replace(/\.$/, "")
    .split(".")
    .every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
}
