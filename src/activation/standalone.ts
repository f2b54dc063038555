import { isIP } from "node:net";
import { constants } from "node:os";
import { resolve } from "node:path";
import { type Address, formatAddress, lookUpHost, type TcpAddress } from "../address.ts";
import { reasonOf, UserError } from "../errors.ts";
import { bindListener, closeDescriptor, type ListeningSocket, localAddress } from "../system/sockets.ts";
import { listenOnPath } from "./listen-path.ts";

export type BoundSocket = Omit<ListeningSocket, "name">;

/** How many connections may wait to be accepted; the kernel caps it. */
const backlog = 4_096;

/**
 * Binds the addresses of `--listen`; every address of a host name is bound. The caller owns the descriptors and calls
 * `releasePaths` at the end. Throws a UserError; nothing is bound then.
 */
export async function bindAddresses(addresses: Address[]): Promise<BoundSocket[]> {
  const bound: BoundSocket[] = [];
  try {
    for (const address of addresses) {
      if (address.kind === "unix") {
        refuseTwin(address, address, bound);
        bound.push({ address, ...(await listenOnPath(address.path, backlog)) });
      } else {
        for (const numeric of await numericAddresses(address)) bound.push(bind(numeric, address, bound));
      }
    }
  } catch (error) {
    for (const { fd } of bound) closeDescriptor(fd);
    releasePaths(bound);
    throw error;
  }
  return bound;
}

/** Removes the paths of the Unix sockets that `bindAddresses` made; may be called twice. */
export function releasePaths(sockets: Pick<BoundSocket, "claim">[]): void {
  for (const { claim } of sockets) claim?.release();
}

function bind(numeric: TcpAddress, given: TcpAddress, before: BoundSocket[]): BoundSocket {
  try {
    const fd = bindListener(numeric, backlog);
    // Which port the system has chosen for port 0.
    return { fd, address: localAddress(fd) ?? numeric };
  } catch (error) {
    const { errno } = error as { errno: number };
    if (errno === constants.errno.EADDRINUSE) refuseTwin(numeric, given, before);
    throw new UserError(`cannot listen on ${formatAddress(given)}: ${explain(errno)}`);
  }
}

/** Throws the UserError of an address that another --listen has, whatever it was called there. */
function refuseTwin(address: Address, given: Address, before: BoundSocket[]): void {
  const isTwin = ({ address: other }: BoundSocket) =>
    address.kind === "unix"
      ? other.kind === "unix" && resolve(other.path) === resolve(address.path)
      : other.kind === "tcp" &&
        other.port === address.port &&
        (other.host === address.host || [other.host, address.host].includes("0.0.0.0"));
  const twin = before.find(isTwin);
  if (twin === undefined) return;
  throw new UserError(
    `cannot listen on ${formatAddress(given)}: another --listen has it already (${formatAddress(twin.address)}); leave one of them out`,
  );
}

async function numericAddresses(address: TcpAddress): Promise<TcpAddress[]> {
  if (isIP(address.host) !== 0) return [address];
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
