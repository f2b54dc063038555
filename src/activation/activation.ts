import type { Address } from "../address.ts";
import { describe } from "../descriptor.ts";
import { UserError } from "../log.ts";
import type { Settings } from "../options.ts";
import { activateLaunchSocket, ENOENT, hasLaunchd, LaunchdError } from "./launchd.ts";
import { bindAddresses } from "./standalone.ts";
import { takeSystemdSockets } from "./systemd.ts";

/** A listening stream socket, taken over or bound; who holds it owns the descriptor. */
export interface ListeningSocket {
  fd: number;
  address: Address;
}

/** What activation brought. */
export interface Activation {
  sockets: ListeningSocket[];
  /** The name under which the sockets were asked for. */
  name: string;
}

/** What the socket is called when nobody says: the original's default, Apple's convention, and what Homebrew writes. */
const defaultNames = ["Socket", "Listeners", "listeners"] as const;

/**
 * Takes the listening sockets over: from `--listen`, else from launchd on a Mac and by systemd's protocol elsewhere. Every
 * descriptor has been checked. Throws a UserError; nothing has been started then.
 */
export async function activate(
  settings: Settings,
  environment: Record<string, string | undefined>,
): Promise<Activation> {
  const name = settings.socketName ?? defaultNames[0];
  if (settings.listen.length > 0) return { name, sockets: check(await bindAddresses(settings.listen)) };
  try {
    if (hasLaunchd) return activateByLaunchd(settings.socketName);
    const taken = takeSystemdSockets(environment, settings.socketName);
    return { name, sockets: check(taken.map(({ fd }) => fd)) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`error activating launch socket: ${error.message}`);
  }
}

function activateByLaunchd(wanted: string | undefined): Activation {
  const names = wanted === undefined ? defaultNames : [wanted];
  let missing: unknown;
  for (const name of names) {
    try {
      return { name, sockets: check(activateLaunchSocket(name)) };
    } catch (error) {
      if (!(error instanceof LaunchdError && error.errno === ENOENT)) throw error;
      missing ??= error;
    }
  }
  throw missing;
}

function check(descriptors: number[]): ListeningSocket[] {
  return descriptors.map((fd) => {
    const descriptor = describe(fd);
    if (descriptor.kind === "unusable") {
      throw new UserError(`descriptor ${fd} is ${descriptor.what}; change the entry under Sockets`);
    }
    return { fd, address: descriptor.address };
  });
}
