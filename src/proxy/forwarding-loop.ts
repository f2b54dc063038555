import { realpathSync } from "node:fs";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import type { Address } from "../address.ts";
import { ipv6Bytes } from "../system/sockaddr.ts";
import { lookUp } from "./target.ts";

/**
 * The served address that a connection to `target` would come back to, if there is one: each relayed connection would
 * make another for ever. A host name that cannot be looked up yet is let through.
 */
export async function findOwnListener(target: Address, sockets: { address: Address }[]): Promise<Address | undefined> {
  const served = sockets.map(({ address }) => address);
  if (target.kind === "unix") {
    return served.find((address) => address.kind === "unix" && realPath(address.path) === realPath(target.path));
  }
  const found = await lookUp(target).catch(() => []);
  const hosts = found.flatMap((address) => (address.kind === "ip" ? [destination(canonical(address.hostname))] : []));
  const here = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => canonical(address)),
  );
  return served.find((address) => {
    if (address.kind === "unix" || address.port !== target.port) return false;
    const own = canonical(address.host);
    return hosts.some(
      (host) => host === own || (isWildcardFor(own, host) && (isLoopback(host) || here.includes(host))),
    );
  });
}

/** One spelling for each address; IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2) become IPv4. */
function canonical(host: string): string {
  if (isIP(host) !== 6) return host;
  const bytes = ipv6Bytes(host);
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? bytes.slice(12).join(".") : bytes.join(":");
}

const [anyIpv4, anyIpv6] = [canonical("0.0.0.0"), canonical("::")];

/** Does a socket on `own` take what is sent to any address of the family of `host`? One on `::` may take IPv4 too (ipv6(7)). */
function isWildcardFor(own: string, host: string): boolean {
  return own === anyIpv6 || (own === anyIpv4 && isIP(host) === 4);
}

/** A connection to the wildcard address goes to loopback. */
function destination(host: string): string {
  if (host === anyIpv4) return "127.0.0.1";
  return host === anyIpv6 ? canonical("::1") : host;
}

function isLoopback(host: string): boolean {
  return host.startsWith("127.") || /^0(:0){14}:1$/.test(host);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
