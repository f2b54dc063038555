import { unlinkSync } from "node:fs";
import { isIP } from "node:net";
import { constants } from "node:os";
import { type Address, formatAddress, lookUpHost } from "../address.ts";
import { reasonOf, UserError } from "../errors.ts";
import { bindListener, closeDescriptor } from "../system/sockets.ts";

/**
 * Binds the addresses of `--listen`; every address of a host name is bound. The caller owns the descriptors
 * and unlinks Unix paths with `removeSocketFiles` at the end. Throws a UserError.
 */
export async function bindAddresses(addresses: Address[]): Promise<number[]> {
  const bound: { fd: number; address: Address }[] = [];
  try {
    for (const address of addresses) {
      for (const numeric of await numericAddresses(address)) bound.push({ fd: bind(numeric, address), address });
    }
  } catch (error) {
    // A path that is left over could not be bound the next time.
    for (const { fd } of bound) closeDescriptor(fd);
    removeSocketFiles(bound.map(({ address }) => address));
    throw error;
  }
  return bound.map(({ fd }) => fd);
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

function bind(numeric: Address, given: Address): number {
  try {
    return bindListener(numeric, 4096);
  } catch (error) {
    const { errno } = error as { errno: number };
    const reason = given.kind === "unix" ? explainPath(errno) : explain(errno);
    throw new UserError(`cannot listen on ${formatAddress(given)}: ${reason}`);
  }
}

async function numericAddresses(address: Address): Promise<Address[]> {
  if (address.kind === "unix" || isIP(address.host) !== 0) return [address];
  if (address.host === "") return [{ ...address, host: "127.0.0.1" }];
  try {
    return (await lookUpHost(address.host)).map((host) => ({ ...address, host }));
  } catch (error) {
    throw new UserError(`cannot listen on ${formatAddress(address)}: the host is unknown (${reasonOf(error)})`);
  }
}

function explain(errno: number): string {
  const { EADDRINUSE, EACCES, EADDRNOTAVAIL } = constants.errno;
  switch (errno) {
    case EADDRINUSE:
      return "the address is in use; choose another or end what uses it";
    case EACCES:
      return "permission denied; a port under 1024 needs launchd, systemd or root";
    case EADDRNOTAVAIL:
      return "it is not an address of this machine";
    default:
      return `error ${errno}`;
  }
}

function explainPath(errno: number): string {
  const { EADDRINUSE, EACCES, ENOENT, ENOTDIR } = constants.errno;
  switch (errno) {
    case EADDRINUSE:
      return "the file is there already; remove it if no server uses it, or choose another path";
    case EACCES:
      return "permission denied; choose a folder that this user may write to";
    case ENOENT:
    case ENOTDIR:
      return "its folder does not exist";
    default:
      return `error ${errno}`;
  }
}
