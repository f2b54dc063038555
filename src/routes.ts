import { nameForProgram } from "./activation/activation.ts";
import { makeSocketFolder } from "./program/socket-path.ts";
import type { RelayRoute } from "./proxy/relay.ts";
import type { Settings } from "./settings/options.ts";
import type { ListeningSocket } from "./system/sockets.ts";

/** Where connections go, and what the program is told of it. */
export interface RoutePlan {
  routes: RelayRoute[];
  /** For the program's environment. */
  variables: Record<string, string>;
  /** Removes the folder of generated paths, if there is one; may be called twice. */
  remove(): void;
}

/**
 * Decides where each socket's connections go: to the one target, to the target of its route, or to a generated path, whose folder is
 * made here. Throws a UserError.
 */
export function makeRoutes(
  settings: Settings,
  sockets: ListeningSocket[],
  environment: Record<string, string | undefined>,
): RoutePlan {
  const { route, tcpAddress, socketPath } = settings;
  const given = tcpAddress ?? socketPath;
  const generated =
    route.length > 0 ? route.filter(({ target }) => target === null).map(({ name }) => name) : given ? [] : ["socket"];
  const folder = generated.length > 0 ? makeSocketFolder(environment.TMPDIR, generated) : null;
  const pathOf = (name: string) => folder?.path(name) ?? "";
  const remove = () => folder?.remove();

  if (route.length === 0) {
    const target = given ?? { kind: "unix", path: pathOf("socket") };
    const variables: Record<string, string> = { LAUNCH_DAEMON_SOCKET_NAME: nameForProgram(settings, sockets) };
    if (target.kind === "unix") variables.LAUNCH_PROGRAM_SOCKET_PATH = target.path;
    return { routes: [{ sockets, target }], variables, remove };
  }
  return {
    routes: route.map(({ name, target }) => ({
      sockets: sockets.filter((socket) => socket.name === name),
      target: target ?? { kind: "unix", path: pathOf(name) },
    })),
    variables: Object.fromEntries(generated.map((name) => [`LAUNCH_PROGRAM_SOCKET_PATH_${name}`, pathOf(name)])),
    remove,
  };
}
