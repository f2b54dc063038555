import type { Address } from "../address.ts";
import { ipv6Bytes } from "./ip.ts";
import type { Platform } from "./platform.ts";

// `struct sockaddr` in bytes. It begins with a 16-bit family on Linux (socket(7)), with its length and an 8-bit family on
// macOS (xnu's bsd/sys/socket.h); what follows is the same (ip(7), ipv6(7), unix(7)).

/** Address families: Linux's bits/socket.h, macOS's bsd/sys/socket.h. */
export const families = {
  linux: { unix: 1, ipv4: 2, ipv6: 10 },
  macos: { unix: 1, ipv4: 2, ipv6: 30 },
} as const;

/** An address as bind(2) and connect(2) take it, and the family for socket(2). */
export interface SocketName {
  family: number;
  name: Uint8Array;
}

/** The host must be an IP address; an empty one is 127.0.0.1. */
export function encodeAddress(address: Address, platform: Platform): SocketName {
  const { unix, ipv4, ipv6 } = families[platform];
  const encode = (family: number, rest: Iterable<number>) => {
    const bytes = [...rest];
    const header = platform === "macos" ? [2 + bytes.length, family] : [family, 0];
    return { family, name: Uint8Array.from([...header, ...bytes]) };
  };
  if (address.kind === "unix") return encode(unix, Buffer.from(`${address.path}\0`));
  const port = [address.port >> 8, address.port & 0xff];
  if (address.host.includes(":")) return encode(ipv6, [...port, 0, 0, 0, 0, ...ipv6Bytes(address.host), 0, 0, 0, 0]);
  const host = (address.host || "127.0.0.1").split(".").map(Number);
  return encode(ipv4, [...port, ...host, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/** What getsockname(2) wrote, or undefined where that is not a Unix, IPv4 or IPv6 address; macOS may write nothing at all. */
export function decodeAddress(name: Uint8Array, platform: Platform): Address | undefined {
  const bytes = Buffer.from(name);
  if (bytes.length < 2) return undefined;
  const { unix, ipv4, ipv6 } = families[platform];
  const family = platform === "macos" ? bytes.readUInt8(1) : bytes.readUInt16LE(0);
  if (family === unix) return { kind: "unix", path: pathText(bytes.subarray(2), platform) };
  if (family === ipv4 && bytes.length >= 8) {
    return { kind: "tcp", host: bytes.subarray(4, 8).join("."), port: bytes.readUInt16BE(2) };
  }
  if (family === ipv6 && bytes.length >= 24) {
    return { kind: "tcp", host: ipv6Text(bytes.subarray(8, 24)), port: bytes.readUInt16BE(2) };
  }
  return undefined;
}

/** Linux's abstract names begin with a NUL and have a length of their own (unix(7)); they are shown as systemd.socket(5) writes them. */
function pathText(path: Buffer, platform: Platform): string {
  if (platform === "linux" && path[0] === 0) return path.toString().replaceAll("\0", "@");
  const end = path.indexOf(0);
  return path.subarray(0, end < 0 ? path.length : end).toString();
}

function ipv6Text(bytes: Buffer): string {
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return new URL(`http://[${words.join(":")}]`).hostname.slice(1, -1);
}
