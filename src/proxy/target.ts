import { isIP } from "node:net";
import type { Socket, SocketHandler } from "bun";
import { type Address, formatAddress, lookUpHost } from "../address.ts";
import { platform } from "../system/platform.ts";
import { explainProtection, protectedFolder } from "../system/privacy.ts";
import { explainShortage, isShortage } from "../system/shortage.ts";
import { encodeAddress, type SocketName } from "../system/sockaddr.ts";
import { connectUnix } from "../system/sockets.ts";

/** Where the connections of a route go. */
export interface Target {
  readonly address: Address;
  /** Whether the place of its socket is gone for good, so that no server can be reached there any more. */
  isGone(): boolean;
  /** Whether the program that serves it has crashed; asked when a Unix backend ends. */
  hasCrashed(): boolean;
}

/** An address that can be connected to: a target may have several. */
export type BackendAddress = { kind: "unix"; path: SocketName } | { kind: "ip"; hostname: string; port: number };

/** The addresses of a target that needs no look-up. */
export function knownAddresses(target: Address): BackendAddress[] | null {
  if (target.kind === "unix") return [{ kind: "unix", path: encodeAddress(target, platform) }];
  const { host, port } = target;
  if (host === "") return ["127.0.0.1", "::1"].map((hostname) => ({ kind: "ip", hostname, port }));
  return isIP(host) === 0 ? null : [{ kind: "ip", hostname: host, port }];
}

/** All addresses of a target; rejects where its host is unknown. */
export async function lookUp(target: Address): Promise<BackendAddress[]> {
  const known = knownAddresses(target);
  if (known !== null || target.kind === "unix") return known ?? [];
  const found = await lookUpHost(target.host);
  return found.map((hostname) => ({ kind: "ip", hostname, port: target.port }));
}

/**
 * Connects by Bun, with half-open allowed; `open` or `connectError` is called, for a Unix socket before this returns. Throws
 * where a Unix socket takes no connection: Bun itself loses the answer of a server there that has closed before Bun looks.
 */
export function connect<Data>(address: BackendAddress, data: Data, socket: SocketHandler<Data>): void {
  const options = { allowHalfOpen: true, data, socket };
  const connecting: Promise<Socket<Data>> =
    address.kind === "unix"
      ? Bun.connect({ ...options, fd: connectUnix(address.path) })
      : Bun.connect({ ...options, hostname: address.hostname, port: address.port });
  connecting.catch(() => {
    // connectError is told the same.
  });
}

const notListening = ["ENOENT", "ECONNREFUSED", "EAGAIN"];
/** A way that was there before: a Mac that wakes up has its network back after a while. */
const noWay = ["ENETDOWN", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT"];

/** Whether a failed connect is worth another try: the program does not take connections yet, or something is missing that comes back. */
export function isRetryable(reason: string, reachedBefore: boolean): boolean {
  return notListening.includes(reason) || isShortage(reason) || (reachedBefore && noWay.includes(reason));
}

/**
 * Why the clients of `target` have to wait, as the end of a sentence about the program. A full queue of a Unix socket is EAGAIN
 * on Linux (unix(7)); on macOS it is ECONNREFUSED, as where nobody listens (sonewconn in xnu's bsd/kern/uipc_socket2.c, called
 * by unp_connect).
 */
export function explainWait(reason: string, target: Address, system = platform): string {
  const place = formatAddress(target);
  if (reason === "EAGAIN") return `has a full queue at ${place}`;
  if (isShortage(reason)) return `cannot be reached at ${place}: ${explainShortage(reason)}`;
  if (noWay.includes(reason)) return `cannot be reached at ${place}: the network does not lead there (${reason})`;
  if (mayBeBusy(reason, target, system))
    return `does not listen at ${place} yet, or has a full queue there (${reason})`;
  return `does not listen at ${place} yet (${reason})`;
}

function mayBeBusy(reason: string, target: Address, system: typeof platform): boolean {
  return reason === "ECONNREFUSED" && target.kind === "unix" && system === "macos";
}

/** Why `target` could not be reached and what to look at, as the end of a sentence. `reason` is a system's error code. */
export function explainFailure(reason: string, target: Address, system = platform): string {
  const place = formatAddress(target);
  if (reason.startsWith("DNS_")) return `the host of ${place} is unknown (${reason}); check its name and the network`;
  switch (reason) {
    case "ENOENT":
      return `there is no socket at ${place}; check that the program makes it (LAUNCH_PROGRAM_SOCKET_PATH)`;
    case "EAGAIN":
      return `the queue of ${place} is full; check that the program accepts connections`;
    case "ECONNREFUSED":
      return mayBeBusy(reason, target, system)
        ? `nothing listens at ${place}, or its queue is full; check that the program accepts connections there`
        : `nothing listens at ${place}; check that the program does`;
    case "EPERM":
      if (system === "macos" && protectedFolder(place) !== null) return explainProtection(place);
      return `permission denied at ${place}; check the owner and mode of the socket and its folders`;
    case "EACCES":
      return `permission denied at ${place}; check the owner and mode of the socket and its folders`;
    case "ENOTSOCK":
      return `${place} is not a socket; check the path`;
    case "ETIMEDOUT":
      return `${place} does not answer; check the address and the network`;
    case "ENETDOWN":
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      // Local Network privacy (Apple's TN3179).
      if (system === "macos" && reason === "EHOSTUNREACH")
        return `the network does not lead to ${place} (${reason}); check the address, and since macOS 15, for an agent, System Settings, Privacy & Security, Local Network`;
      return `the network does not lead to ${place} (${reason}); check the address and the network`;
    default:
      return isShortage(reason)
        ? `${place} cannot be reached, since ${explainShortage(reason)}; lower --max-connections or raise the limit`
        : `${place}: ${reason}`;
  }
}
