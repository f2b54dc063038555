import type { Address } from "../address.ts";
import type { Settings } from "./options.ts";

/** Where the connections of a socket go, as the settings have it. */
export interface RouteSetting {
  /** The socket's name; null for all sockets that are served. */
  socket: string | null;
  /** Null for a generated path. */
  target: Address | null;
  /** The variable that tells the program the path; null where it is not told. */
  variable: string | null;
}

/** Which sockets go to which targets: what the launcher makes and the checks judge. */
export function routesOf({
  route,
  tcpAddress,
  socketPath,
}: Pick<Settings, "route" | "tcpAddress" | "socketPath">): RouteSetting[] {
  if (route.length > 0) {
    return route.map(({ name, target }) => ({
      socket: name,
      target,
      variable: target === null ? `LAUNCH_PROGRAM_SOCKET_PATH_${name}` : null,
    }));
  }
  const target = tcpAddress ?? socketPath ?? null;
  return [{ socket: null, target, variable: target?.kind === "tcp" ? null : "LAUNCH_PROGRAM_SOCKET_PATH" }];
}

/** The names of the sockets that are asked for, exactly these; null where the first of the usual names does. */
export function socketNamesOf({ route, socketName }: Pick<Settings, "route" | "socketName">): string[] | null {
  if (route.length > 0) return route.map(({ name }) => name);
  return socketName.length > 0 ? socketName : null;
}
