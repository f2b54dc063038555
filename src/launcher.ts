import { activate, nameForProgram } from "./activation/activation.ts";
import { releasePaths } from "./activation/standalone.ts";
import { withoutSystemdVariables } from "./activation/systemd.ts";
import { type Address, formatAddress } from "./address.ts";
import { UserError } from "./errors.ts";
import { log } from "./log.ts";
import { becomeProgram } from "./program/handoff.ts";
import { Program } from "./program/program.ts";
import { Signals } from "./program/signals.ts";
import { socketPathDanger } from "./program/socket-path.ts";
import { findOwnListener } from "./proxy/forwarding-loop.ts";
import { Relay, type RelayRoute, type RelaySettings } from "./proxy/relay.ts";
import { makeRoutes } from "./routes.ts";
import { refuseMissingTargets } from "./settings/command-line.ts";
import type { Settings } from "./settings/options.ts";
import { routesOf, socketNamesOf } from "./settings/routes.ts";
import { finish, stop } from "./shutdown.ts";
import { freeDescriptors } from "./system/process.ts";
import type { ListeningSocket } from "./system/sockets.ts";

type Environment = Record<string, string | undefined>;

/** Descriptors kept free for everything but connections: listeners' duplicates, look-ups, the log. */
const reserve = 16;

/**
 * Activates the sockets, starts the program (none for null), serves until a signal comes or the program ends, and stops
 * in order. Returns the exit code. Throws a UserError when something is wrong at the start; nothing runs then.
 */
export async function launch(
  command: [string, ...string[]] | null,
  settings: Settings,
  environment: Environment,
): Promise<number> {
  refuseMissingTargets(command, settings);
  const names = socketNamesOf(settings);
  const sockets = await activate({ listen: settings.listen, names, datagrams: settings.passSockets }, environment);
  process.on("exit", () => releasePaths(sockets));
  if (settings.passSockets && command !== null) becomeProgram(command, sockets, environment.PATH);

  const limits = relaySettings(settings);
  // Before anything is made that has to be removed at the end.
  const signals = new Signals();
  const { routes, variables, remove } = makeRoutes(routesOf(settings), sockets, environment.TMPDIR);
  // With routes there is no one name to tell.
  if (settings.route.length === 0) variables.LAUNCH_DAEMON_SOCKET_NAME = nameForProgram(names, sockets);
  process.on("exit", remove);
  await refuseLoops(routes, sockets);
  for (const { target } of routes) warnOfDanger(target);

  const program = command && Program.start(command, { ...withoutSystemdVariables(environment), ...variables });
  if (program !== null) signals.passTo(program);
  const relay = new Relay(routes, limits, log);
  if (program !== null) relay.hasCrashed = () => program.crashed;
  relay.start();
  for (const { sockets, target } of routes) {
    const served = sockets.map(({ address }) => formatAddress(address)).join(", ");
    log.info(`serving ${served} by ${program?.name ?? "the server"} at ${formatAddress(target)}`);
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
  const exit = await Promise.race(program === null ? [asked] : [asked, program.exited]);
  const status =
    program !== null && exit !== null
      ? await finish(exit, relay, program, settings.stopTimeout, signals)
      : await stop(relay, program, settings.stopTimeout, signals);
  relay.close();
  return mustFail ? 1 : status;
}

function relaySettings(settings: Settings): RelaySettings {
  const { connectTimeout, tcpKeepalive, idleTimeout, exitIdleTime, proxyProtocol, logLevel } = settings;
  const maxConnections = capacity(settings.maxConnections);
  const describeClients = logLevel === "debug";
  return { connectTimeout, maxConnections, tcpKeepalive, idleTimeout, exitIdleTime, proxyProtocol, describeClients };
}

/** Each connection takes two descriptors. */
function capacity(limit: number | undefined): number {
  const possible = Math.floor((freeDescriptors() - reserve) / 2);
  if (possible < 1) {
    throw new UserError("cannot serve: the limit on open files leaves room for no connection; raise it (ulimit -n)");
  }
  const wanted = limit ?? possible;
  if (wanted > possible) {
    log.warn(`--max-connections ${wanted} is more than the limit on open files allows; taking ${possible}`);
  }
  return Math.min(wanted, possible);
}

async function refuseLoops(routes: RelayRoute[], sockets: ListeningSocket[]): Promise<void> {
  for (const { target } of routes) {
    const own = await findOwnListener(target, sockets);
    if (own === undefined) continue;
    throw new UserError(
      `cannot relay to ${formatAddress(target)}: it is ${formatAddress(own)}, which this program serves; give the server an address of its own`,
    );
  }
}

function warnOfDanger(target: Address): void {
  const danger = target.kind === "unix" ? socketPathDanger(target.path) : undefined;
  if (danger !== undefined) log.warn(`${danger.why}; ${danger.fix}`);
}
