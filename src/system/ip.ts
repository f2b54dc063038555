import { isIP } from "node:net";

/** The 16 bytes of an IPv6 address in any text form of RFC 4291, 2.2. Not by URL, whose parser in Bun refuses some that end in IPv4. */
export function ipv6Bytes(text: string): number[] {
  const [head = "", tail = ""] = text.replace(/%.*/, "").split("::");
  const bytesOf = (part: string) => part.split(":").filter(Boolean).flatMap(wordBytes);
  const [first, last] = [bytesOf(head), bytesOf(tail)];
  return [...first, ...new Array<number>(16 - first.length - last.length).fill(0), ...last];
}

function wordBytes(word: string): number[] {
  if (word.includes(".")) return word.split(".").map(Number);
  const value = Number.parseInt(word, 16);
  return [value >> 8, value & 0xff];
}

/** One spelling for each address; IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2) become IPv4. */
export function canonicalHost(host: string): string {
  if (isIP(host) !== 6) return host;
  const bytes = ipv6Bytes(host);
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? bytes.slice(12).join(".") : bytes.join(":");
}

/** Whether an address in the spelling of `canonicalHost` leads back to this machine: 127.0.0.0/8 (RFC 1122, 3.2.1.3) and ::1. */
export function isLoopback(host: string): boolean {
  return host.startsWith("127.") || /^0(:0){14}:1$/.test(host);
}
