import { activate, nameForProgram, serviceNames } from "./activation/activation.ts";
import { releasePaths } from "./activation/standalone.ts";
import { withoutSystemdVariables } from "./activation/systemd.ts";
import { type Address, formatAddress } from "./address.ts";
import { FailureLog } from "./control/failures.ts";
import { ControlServer, controlDescriptors } from "./control/server.ts";
import { Copies } from "./copies.ts";
import { Copy } from "./copy.ts";
import { UserError } from "./errors.ts";
import { log } from "./log.ts";
import { becomeProgram } from "./program/handoff.ts";
import { Signals } from "./program/signals.ts";
import { socketPathDanger } from "./program/socket-path.ts";
import { findOwnListener } from "./proxy/forwarding-loop.ts";
import { Relay, type RelayRoute, type RelaySettings } from "./proxy/relay.ts";
import { refuseMissingTargets } from "./settings/command-line.ts";
import type { Settings } from "./settings/options.ts";
import { type RouteSetting, routesOf, socketNamesOf } from "./settings/routes.ts";
import { finish, stop } from "./shutdown.ts";
import { statusNow } from "./status.ts";
import { freeDescriptors } from "./system/process.ts";
import type { ListeningSocket } from "./system/sockets.ts";

type Environment = Record<string, string | undefined>;

/** Descriptors kept free for everything but connections and listeners: look-ups, the log, and whoever asks for the status. */
const reserve = 9 + controlDescriptors;

/**
 * Activates the sockets, starts the program (none for null), serves until a signal comes or the program ends, and stops
 * in order. Returns the exit code. Throws a UserError when something is wrong at the start; nothing runs then.
 */
export async function launch(
  command: [string, ...string[]] | null,
  settings: Settings,
  environment: Environment,
): Promise<number> {
  const since = new Date().toISOString();
  refuseMissingTargets(command, settings);
  const names = socketNamesOf(settings);
  const sockets = await activate({ listen: settings.listen, names, datagrams: settings.passSockets }, environment);
  process.on("exit", () => releasePaths(sockets));
  if (settings.passSockets && command !== null) becomeProgram(command, sockets, environment.PATH);

  const limits = relaySettings(settings, sockets.length);
  const routes = routesOf(settings);
  await refuseLoops(routes, sockets);
  for (const { target } of routes) warnOfDanger(target);

  // Before anything is made that has to be removed at the end.
  const signals = new Signals();
  // With routes there is no one name to tell.
  const name = settings.route.length === 0 ? { LAUNCH_DAEMON_SOCKET_NAME: nameForProgram(names, sockets) } : {};
  const start = () => Copy.start(command, routes, { ...withoutSystemdVariables(environment), ...name });
  const first = start();
  const failures = new FailureLog(log);
  const relay = new Relay(relayRoutes(routes, sockets, first), limits, failures);
  const copies = new Copies(first, start, relay, settings);
  process.on("exit", () => copies.remove());
  signals.passTo((signal) => copies.serving.program?.signal(signal));
  const identity = { ...serviceNames(settings.listen, environment), since };
  const control = ControlServer.open(
    ({ command }) => (command === "status" ? statusNow({ identity, relay, failures, copies }) : beginReload(copies)),
    (line) => log.info(line),
  );
  process.on("exit", () => control?.close());
  relay.start();
  for (const { sockets, target } of relay.routes) {
    const served = sockets.map(({ address }) => formatAddress(address)).join(", ");
    log.info(`serving ${served} by ${first.program?.name ?? "the server"} at ${formatAddress(target.address)}`);
  }

  let mustFail = false;
  const gone = relay.targetGone.then((target) => {
    log.error(`cannot reach program: the folder of ${formatAddress(target)} was removed; stopping for a fresh start`);
    relay.abandonDials();
    return true;
  });
  const asked = Promise.race([signals.stop.then(() => false), relay.idle.then(() => false), gone]).then((failed) => {
    mustFail = failed;
    return null;
  });
  const exit = await Promise.race([asked, copies.ended]);
  copies.halt();
  const status =
    exit === null
      ? await stop(relay, copies, settings.stopTimeout, signals)
      : await finish(exit, relay, copies, settings.stopTimeout, signals);
  relay.close();
  return mustFail ? 1 : status;
}

/** Answers at once: how the reload goes on is part of the status. */
function beginReload(copies: Copies): object {
  try {
    copies.reload();
    return { reloading: true };
  } catch (error) {
    if (error instanceof UserError) return { error: error.message };
    throw error;
  }
}

/** Which sockets lead where, as long as `copy` serves. */
function relayRoutes(routes: RouteSetting[], sockets: ListeningSocket[], { targets }: Copy): RelayRoute[] {
  return targets.map((target, index) => {
    const wanted = routes[index]?.socket ?? null;
    return { sockets: sockets.filter(({ name }) => wanted === null || wanted === name), target };
  });
}

function relaySettings(settings: Settings, listeners: number): RelaySettings {
  const { connectTimeout, tcpKeepalive, idleTimeout, exitIdleTime, exitIdleAtRest, proxyProtocol, logLevel } = settings;
  const maxConnections = capacity(settings.maxConnections, listeners);
  const describeClients = logLevel === "debug";
  return {
    connectTimeout,
    maxConnections,
    tcpKeepalive,
    idleTimeout,
    exitIdleTime,
    exitIdleAtRest,
    proxyProtocol,
    describeClients,
  };
}

/** Each connection takes two descriptors, and each listener that accepts a duplicate of its own. */
function capacity(limit: number | undefined, listeners: number): number {
  const possible = Math.floor((freeDescriptors() - reserve - listeners) / 2);
  if (possible < 1) {
    throw new UserError("cannot serve: the limit on open files leaves no room for a connection; raise it (ulimit -n)");
  }
  const wanted = limit ?? possible;
  if (wanted > possible) {
    log.warn(`--max-connections ${wanted} is more than the limit on open files allows; taking ${possible}`);
  }
  return Math.min(wanted, possible);
}

/** A generated path is new, and so nobody listens there. */
async function refuseLoops(routes: RouteSetting[], sockets: ListeningSocket[]): Promise<void> {
  for (const { target } of routes) {
    if (target === null) continue;
    const own = await findOwnListener(target, sockets);
    if (own === undefined) continue;
    throw new UserError(
      `cannot relay to ${formatAddress(target)}: it is ${formatAddress(own)}, which this program serves; give the server an address of its own`,
    );
  }
}

function warnOfDanger(target: Address | null): void {
  const danger = target?.kind === "unix" ? socketPathDanger(target.path) : undefined;
  if (danger !== undefined) log.warn(`${danger.why}; ${danger.fix}`);
}
