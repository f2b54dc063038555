import { type Address, formatAddress } from "../address.ts";
import { UserError } from "../errors.ts";
import { defaultSocketNames } from "../settings/options.ts";
import { hasLaunchd } from "../system/platform.ts";
import { describe, type ListeningSocket } from "../system/sockets.ts";
import { activateLaunchSocket, ENOENT, LaunchdError, launchdLabel } from "./launchd.ts";
import { bindAddresses } from "./standalone.ts";
import { systemdUnit, takeSystemdSockets } from "./systemd.ts";

/** Which sockets are wanted. */
export interface SocketWishes {
  /** To be bound by ourselves; none where they are handed over. */
  listen: Address[];
  /** Exactly these; null where the first of the usual names does. */
  names: string[] | null;
  /** Whether datagram sockets will do. */
  datagrams: boolean;
}

/**
 * Takes the listening sockets over: from `--listen`, else from launchd on a Mac and by systemd's protocol elsewhere. Every
 * descriptor that was taken over has been checked: it listens for TCP or Unix streams, or may be a datagram socket if the
 * program gets it.
 * Throws a UserError; nothing has been started then.
 */
export async function activate(
  { listen, names, datagrams }: SocketWishes,
  environment: Record<string, string | undefined>,
): Promise<ListeningSocket[]> {
  try {
    if (listen.length > 0) {
      const name = names?.[0] ?? defaultSocketNames[0];
      return (await bindAddresses(listen)).map((socket) => ({ ...socket, name }));
    }
    const taken = hasLaunchd ? takeLaunchdSockets(names ?? []) : takeSystemdSockets(environment, names ?? []);
    return taken.map((socket) => check(socket, datagrams));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`error activating launch socket: ${error.message}`);
  }
}

/**
 * The name that the program finds in LAUNCH_DAEMON_SOCKET_NAME: the one given, the one found in the plist, or the
 * original's default. (systemd's own names for sockets mean nothing to the program.)
 */
export function nameForProgram(names: string[] | null, sockets: ListeningSocket[]): string {
  return names?.[0] ?? (hasLaunchd ? sockets[0]?.name : undefined) ?? "Socket";
}

/**
 * What launchd or systemd calls this process's job or unit. What we listen on ourselves for does not come from launchd, whose name
 * for the job that a shell belongs to its children inherit.
 */
export function serviceNames(
  listen: Address[],
  environment: Record<string, string | undefined>,
): { label: string | null; unit: string | null } {
  return {
    label: hasLaunchd && listen.length === 0 ? launchdLabel(environment) : null,
    unit: hasLaunchd ? null : systemdUnit(environment),
  };
}

/** The sockets of all the names given, or of the first of the usual names that the plist has. */
function takeLaunchdSockets(names: string[]): { fd: number; name: string }[] {
  const take = (name: string) => activateLaunchSocket(name).map((fd) => ({ fd, name }));
  if (names.length > 0) {
    return names.flatMap((name) => {
      try {
        return take(name);
      } catch (error) {
        if (names.length === 1 || !(error instanceof LaunchdError)) throw error;
        throw new UserError(`${error.message} (names given: ${names.join(", ")})`);
      }
    });
  }
  for (const name of defaultSocketNames) {
    try {
      return take(name);
    } catch (error) {
      if (!(error instanceof LaunchdError && error.errno === ENOENT)) throw error;
    }
  }
  throw new UserError(
    `no socket named ${defaultSocketNames.map((name) => `"${name}"`).join(" or ")} in the job's plist (it is the key under Sockets); rename the key or set LAUNCH_DAEMON_SOCKET_NAME`,
  );
}

function check({ fd, name }: { fd: number; name: string }, datagramToo: boolean): ListeningSocket {
  const descriptor = describe(fd);
  if (descriptor.kind === "listener" || (descriptor.kind === "datagram" && datagramToo)) {
    return { fd, name, address: descriptor.address };
  }
  const what =
    descriptor.kind === "datagram"
      ? `a datagram socket (${formatAddress(descriptor.address)}), and only streams can be relayed; set SockType to stream or use --pass-sockets`
      : `${descriptor.what}; check its entry`;
  throw new UserError(`descriptor ${fd} of "${name}" is ${what}`);
}
