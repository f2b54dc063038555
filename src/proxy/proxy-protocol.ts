import { isIP } from "node:net";
import { ipv6Bytes } from "../system/ip.ts";

/** The four values that the header tells; what Bun's accepted sockets have. Empty or missing where the client has left already. */
export interface ClientEnds {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** The 12 bytes that a version 2 header begins with. */
const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
/** Version 2 with the command PROXY, or LOCAL where there is no address: receivers refuse PROXY with AF_UNSPEC (HAProxy does). */
const versionAndCommand = { proxy: 0x21, local: 0x20 };
/** Address family and transport: AF_UNSPEC, TCP over IPv4, TCP over IPv6. */
const families = { unknown: 0x00, tcp4: 0x11, tcp6: 0x21 };

/**
 * The header of HAProxy's PROXY protocol (proxy-protocol.txt, version 1 in 2.1, version 2 in 2.2) for a client, or for one without an IP
 * address (null: a Unix client), which is UNKNOWN, or LOCAL with AF_UNSPEC. IPv4-mapped addresses go out as IPv4, scope ids not at all.
 */
export function encodeProxyHeader(version: "v1" | "v2", client: ClientEnds | null): Uint8Array {
  const source = plain(client?.remoteAddress);
  const destination = plain(client?.localAddress);
  const family = isIP(source);
  const known = client !== null && family !== 0 && family === isIP(destination);
  if (version === "v1") {
    const line = known
      ? `PROXY TCP${family} ${source} ${destination} ${client.remotePort} ${client.localPort}`
      : "PROXY UNKNOWN";
    return Buffer.from(`${line}\r\n`, "latin1");
  }
  if (!known) return Uint8Array.from([...signature, versionAndCommand.local, families.unknown, 0, 0]);
  const bytes = family === 4 ? (host: string) => host.split(".").map(Number) : ipv6Bytes;
  const addresses = [
    ...bytes(source),
    ...bytes(destination),
    ...uint16(client.remotePort),
    ...uint16(client.localPort),
  ];
  const kind = family === 4 ? families.tcp4 : families.tcp6;
  return Uint8Array.from([...signature, versionAndCommand.proxy, kind, ...uint16(addresses.length), ...addresses]);
}

/** Without scope id (RFC 4007, 11) and not mapped to IPv6 (RFC 4291, 2.5.5.2). */
function plain(host = ""): string {
  return host.replace(/%.*$/, "").replace(/^::ffff:(\d+\.\d+\.\d+\.\d+)$/i, "$1");
}

function uint16(value: number): number[] {
  return [value >> 8, value & 0xff];
}
