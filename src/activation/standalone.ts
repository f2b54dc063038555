import { unlinkSync } from "node:fs";
import { isIP } from "node:net";
import { constants } from "node:os";
import { type Address, formatAddress } from "../address.ts";
import { bindListener } from "../descriptor.ts";
import { reasonOf, UserError } from "../log.ts";

/**
 * Binds the addresses of `--listen` by itself; every address of a host name is bound. The caller owns the descriptors
 * and unlinks Unix paths with `removeSocketFiles` at the end. Throws a UserError.
 */
export async function bindAddresses(addresses: Address[]): Promise<number[]> {
  const descriptors: number[] = [];
  for (const address of addresses) {
    for (const numeric of await numericAddresses(address)) {
      try {
        descriptors.push(bindListener(numeric, 4096));
      } catch (error) {
        throw new UserError(
          `cannot listen on ${formatAddress(address)}: ${explain((error as { errno: number }).errno)}`,
        );
      }
    }
  }
  return descriptors;
}

/** Removes the paths of the Unix sockets that `bindAddresses` made. */
export function removeSocketFiles(addresses: Address[]): void {
  for (const address of addresses) {
    if (address.kind !== "unix") continue;
    try {
      unlinkSync(address.path);
    } catch {
      // Somebody else removed it: what was wanted.
    }
  }
}

async function numericAddresses(address: Address): Promise<Address[]> {
  if (address.kind === "unix" || isIP(address.host) !== 0) return [address];
  if (address.host === "") return [{ ...address, host: "127.0.0.1" }];
  try {
    const found = await Bun.dns.lookup(address.host);
    return found.map(({ address: host }) => ({ ...address, host }));
  } catch (error) {
    throw new UserError(`cannot listen on ${formatAddress(address)}: the host is unknown (${reasonOf(error)})`);
  }
}

function explain(errno: number): string {
  const { EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOENT } = constants.errno;
  switch (errno) {
    case EADDRINUSE:
      return "the address is in use; choose another or end what uses it";
    case EACCES:
      return "permission denied; a port under 1024 needs launchd, systemd or root";
    case EADDRNOTAVAIL:
      return "it is no address of this machine";
    case ENOENT:
      return "its folder does not exist";
    default:
      return `error ${errno}`;
  }
}
