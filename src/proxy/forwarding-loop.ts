import { statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { basename, dirname } from "node:path";
import type { Address } from "../address.ts";
import { canonicalHost, isLoopback } from "../system/ip.ts";
import { lookUp } from "./target.ts";

/**
 * The served address that a connection to `target` would come back to, if there is one: each relayed connection would
 * make another for ever. A host name that cannot be looked up yet is let through.
 */
export async function findOwnListener(target: Address, sockets: { address: Address }[]): Promise<Address | undefined> {
  const served = sockets.map(({ address }) => address);
  if (target.kind === "unix") {
    return served.find((address) => address.kind === "unix" && isSameSocket(address.path, target.path));
  }
  const found = await lookUp(target).catch(() => []);
  const hosts = found.flatMap((address) =>
    address.kind === "ip" ? [destination(canonicalHost(address.hostname))] : [],
  );
  const here = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => canonicalHost(address)),
  );
  return served.find((address) => {
    if (address.kind === "unix" || address.port !== target.port) return false;
    const own = canonicalHost(address.host);
    return hosts.some(
      (host) => host === own || (isWildcardFor(own, host) && (isLoopback(host) || here.includes(host))),
    );
  });
}

const [anyIpv4, anyIpv6] = [canonicalHost("0.0.0.0"), canonicalHost("::")];

/** Whether a socket on `own` takes what is sent to any address of the family of `host`. One on `::` may take IPv4 too (ipv6(7)). */
function isWildcardFor(own: string, host: string): boolean {
  return own === anyIpv6 || (own === anyIpv4 && host.includes("."));
}

/** A connection to the wildcard address goes to loopback. */
function destination(host: string): string {
  if (host === anyIpv4) return "127.0.0.1";
  return host === anyIpv6 ? canonicalHost("::1") : host;
}

/**
 * Whether two paths of a socket lead to one, also before it is bound. realpath() does not tell on a Mac: Bun opens the file for
 * it, and XNU opens no socket (vn_authorize_open_existing in bsd/vfs/vfs_subr.c).
 */
function isSameSocket(a: string, b: string): boolean {
  return isSameFile(a, b) || (basename(a) === basename(b) && isSameFile(dirname(a), dirname(b)));
}

function isSameFile(a: string, b: string): boolean {
  try {
    const [first, second] = [statSync(a), statSync(b)];
    return first.dev === second.dev && first.ino === second.ino;
  } catch {
    return a === b;
  }
}
