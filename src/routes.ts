import { log } from "./log.ts";
import { makeSocketFolder } from "./program/socket-path.ts";
import type { RelayRoute } from "./proxy/relay.ts";
import type { RouteSetting } from "./settings/routes.ts";
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
 * Makes routes of what the settings say: for those without a target a folder of generated paths, below `temporary` where that
 * is possible. Throws a UserError.
 */
export function makeRoutes(
  settings: RouteSetting[],
  sockets: ListeningSocket[],
  temporary: string | undefined,
): RoutePlan {
  const generated = settings.filter(({ target }) => target === null).map(fileName);
  const folder = generated.length > 0 ? makeSocketFolder(temporary, generated, (line) => log.info(line)) : null;
  const variables: Record<string, string> = {};
  const routes = settings.map((setting): RelayRoute => {
    const target = setting.target ?? { kind: "unix", path: folder?.path(fileName(setting)) ?? "" };
    if (setting.variable !== null && target.kind === "unix") variables[setting.variable] = target.path;
    const served = sockets.filter(({ name }) => setting.socket === null || setting.socket === name);
    return { sockets: served, target, isGone: () => setting.target === null && folder?.isGone() === true };
  });
  return { routes, variables, remove: () => folder?.remove() };
}

function fileName({ socket }: RouteSetting): string {
  return socket ?? "socket";
}
