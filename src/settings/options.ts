import { formatAddress, parseAddress, parseSocketPath, parseTcpAddress } from "../address.ts";
import { quote, UserError } from "../errors.ts";
import { logLevels } from "../log.ts";
import type { Flag } from "./flag.ts";
import {
  parseCount,
  parseDuration,
  parseLogLevel,
  parseName,
  parseProxyProtocol,
  parseRoute,
  parseSwitch,
  proxyProtocols,
} from "./parsers.ts";

/** One setting: a flag, its variable, and how their text becomes a value. */
interface Option<T> extends Flag {
  /** It says how connections are relayed, and means nothing where the program gets the sockets. */
  relay?: true;
  /** Throws a UserError which says what would be right. */
  parse: (text: string) => T;
}

/** Keeps which of the fields an option has, so that Settings can tell values that are always there from others. */
const option = <const O extends Option<unknown>>(definition: O) => definition;

/** The one table of settings: flags, variables, help, man page, completions and docs all come from it or are checked against it. */
export const options = {
  socketName: option({
    flag: "socket-name",
    variable: "LAUNCH_DAEMON_SOCKET_NAME",
    value: "name",
    repeatable: "flag",
    help: "The socket's key under Sockets in the plist, or its name in systemd. Default: Socket, else Listeners or listeners; with systemd, all sockets.",
    parse: parseName,
  }),
  tcpAddress: option({
    flag: "tcp-address",
    variable: "LAUNCH_PROGRAM_TCP_ADDRESS",
    value: "address",
    help: "Relay to the program at HOST:PORT, [IPv6]:PORT or :PORT. If both variables are set, this one wins over the path.",
    relay: true,
    parse: (text) => parseTcpAddress(text),
  }),
  socketPath: option({
    flag: "socket-path",
    variable: "LAUNCH_PROGRAM_SOCKET_PATH",
    value: "path",
    help: "Relay to the program at this Unix socket. Default: a generated path in a private folder. The program finds the path in the variable.",
    relay: true,
    parse: parseSocketPath,
  }),
  route: option({
    flag: "route",
    variable: "LAUNCH_DAEMON_ROUTES",
    value: "name=target",
    repeatable: "words",
    help: "Relay the socket of that name to a target of its own; with nothing after the =, to a generated path, which the program finds in LAUNCH_PROGRAM_SOCKET_PATH_<name>.",
    relay: true,
    parse: parseRoute,
  }),
  passSockets: option({
    flag: "pass-sockets",
    variable: "LAUNCH_PROGRAM_PASS_SOCKETS",
    default: "0",
    help: "Do not relay: become the program, with the sockets at descriptor 3 and up and LISTEN_FDS set.",
    parse: parseSwitch,
  }),
  proxyProtocol: option({
    flag: "proxy-protocol",
    variable: "LAUNCH_PROGRAM_PROXY_PROTOCOL",
    value: "version",
    choices: proxyProtocols,
    help: "Send the program each client's address by the PROXY protocol, v1 or v2.",
    relay: true,
    parse: parseProxyProtocol,
  }),
  connectTimeout: option({
    flag: "connect-timeout",
    variable: "LAUNCH_PROGRAM_CONNECT_TIMEOUT",
    value: "duration",
    default: "30s",
    help: "How long a client waits for the program to listen.",
    relay: true,
    parse: parseDuration,
  }),
  stopTimeout: option({
    flag: "stop-timeout",
    variable: "LAUNCH_PROGRAM_STOP_TIMEOUT",
    value: "duration",
    default: "15s",
    // launchd sends SIGKILL 5 s after SIGTERM where the plist has no ExitTimeOut (service/exit-timeout.ts).
    launchdDefault: "4s",
    help: "How long a stop may take before the program is killed; transfers get at most half of it. The plist's ExitTimeOut, after which launchd kills, has to be at least a second longer.",
    relay: true,
    parse: parseDuration,
  }),
  drainTimeout: option({
    flag: "drain-timeout",
    variable: "LAUNCH_PROGRAM_DRAIN_TIMEOUT",
    value: "duration",
    default: "30s",
    help: "How long a reload lets the old copy's connections go on before it stops that copy; 0 for until they end.",
    relay: true,
    parse: parseDuration,
  }),
  maxConnections: option({
    flag: "max-connections",
    variable: "LAUNCH_DAEMON_MAX_CONNECTIONS",
    value: "number",
    help: "How many connections may be open; more wait in the kernel. Default: what the limit on open files allows.",
    relay: true,
    parse: parseCount,
  }),
  tcpKeepalive: option({
    flag: "tcp-keepalive",
    variable: "LAUNCH_DAEMON_TCP_KEEPALIVE",
    value: "duration",
    default: "60s",
    help: "Probe a silent TCP peer after this long; 0 for never.",
    relay: true,
    parse: parseDuration,
  }),
  idleTimeout: option({
    flag: "idle-timeout",
    variable: "LAUNCH_DAEMON_IDLE_TIMEOUT",
    value: "duration",
    default: "0",
    help: "Close a connection on which nothing moves for this long; 0 for never.",
    relay: true,
    parse: parseDuration,
  }),
  exitIdleTime: option({
    flag: "exit-idle-time",
    variable: "LAUNCH_DAEMON_EXIT_IDLE_TIME",
    value: "duration",
    default: "0",
    help: "Stop the program and exit after this long without a connection; the next one starts both. 0 for never.",
    relay: true,
    parse: parseDuration,
  }),
  exitIdleAtRest: option({
    flag: "exit-idle-at-rest",
    variable: "LAUNCH_DAEMON_EXIT_IDLE_AT_REST",
    default: "0",
    help: "For --exit-idle-time: connections at rest do not count. On these the program spoke last, or nobody has spoken yet, and nothing has moved for that long. They are closed, so it is not for database sessions or WebSockets.",
    relay: true,
    parse: parseSwitch,
  }),
  listen: option({
    flag: "listen",
    value: "address",
    repeatable: "flag",
    help: "Bind HOST:PORT or a Unix path directly, without launchd or systemd; for trying things out. A Unix socket that a killed process has left behind is replaced.",
    parse: (text) => parseAddress(text, { portZero: true }),
  }),
  logLevel: option({
    flag: "log-level",
    variable: "LAUNCH_DAEMON_LOG_LEVEL",
    value: "level",
    choices: logLevels,
    default: "info",
    help: "How much goes to stderr: error, warn, info, or debug with a line for each connection.",
    parse: parseLogLevel,
  }),
};

/** What the socket is called when nobody says: the original's default, Apple's convention, and what Homebrew writes. */
export const defaultSocketNames = ["Socket", "Listeners", "listeners"] as const;

export type OptionName = keyof typeof options;

/** The variables of all settings. */
export const settingVariables: string[] = Object.values<Flag>(options).flatMap(({ variable }) => variable ?? []);

/** Where the sockets come from: some defaults are others under launchd. */
export type SocketSource = "launchd" | "elsewhere";

type Value<O> = O extends { parse: (text: string) => infer T }
  ? O extends { repeatable: string }
    ? T[]
    : O extends { default: string }
      ? T
      : T | undefined
  : never;

/** The checked value of each option: a list for a repeatable one, undefined where neither given nor with a default. */
export type Settings = { -readonly [Name in OptionName]: Value<(typeof options)[Name]> };

/** The texts given on the command line, by option. */
export type Flags = Partial<Record<OptionName, string[]>>;

/**
 * Turns flags and environment into checked settings: a flag wins over its variable, an empty variable counts as not
 * set, and a target that is given as a flag wins over both target variables. With `listen` the sockets do not come from
 * launchd, whatever `source` says. Throws a UserError that names the flag or variable, the value and what would be right.
 */
export function readSettings(
  flags: Flags,
  environment: Record<string, string | undefined>,
  source: SocketSource = "elsewhere",
): Settings {
  const underLaunchd = source === "launchd" && flags.listen === undefined;
  const targetIsFlag = flags.tcpAddress !== undefined || flags.socketPath !== undefined;
  const settings: Partial<Record<OptionName, unknown>> = {};
  const given = new Map<OptionName, string>();
  for (const [name, option] of Object.entries(options) as [OptionName, Option<unknown>][]) {
    const isTarget = name === "tcpAddress" || name === "socketPath";
    const variable = option.variable && !(targetIsFlag && isTarget) ? environment[option.variable] : undefined;
    const origin = flags[name] ? `--${option.flag}` : (option.variable ?? "");
    const texts = flags[name] ?? (variable ? (option.repeatable === "words" ? words(variable) : [variable]) : []);
    if (texts.length > 0) given.set(name, origin);
    if (option.repeatable) {
      settings[name] = texts.map((text) => readValue(option, origin, text));
    } else {
      if (texts.length > 1) throw new UserError(`cannot use ${origin} twice: leave one of them out`);
      const text = texts[0] ?? ((underLaunchd && option.launchdDefault) || option.default);
      settings[name] = text === undefined ? undefined : readValue(option, origin, text);
    }
  }
  refuseContradictions(given, settings as Settings);
  return settings as Settings;
}

/** What would be silently without effect, or undecided, is refused. */
function refuseContradictions(given: Map<OptionName, string>, { passSockets, route, listen }: Settings): void {
  const refuse = (name: OptionName, others: OptionName[], why: string) => {
    const other = others.find((other) => given.has(other));
    if (other === undefined || !given.has(name)) return;
    throw new UserError(
      `cannot use ${given.get(name)} together with ${given.get(other)}: ${why}; leave one of them out`,
    );
  };
  if (given.get("tcpAddress")?.startsWith("--")) {
    refuse("tcpAddress", given.get("socketPath")?.startsWith("--") ? ["socketPath"] : [], "there is one target");
  }
  refuse(
    "route",
    ["tcpAddress", "socketPath", "socketName", "listen"],
    "each route has a name and a target of its own",
  );
  const relayed = (Object.keys(options) as OptionName[]).filter((name) => "relay" in options[name]);
  if (passSockets) refuse("passSockets", relayed, "nothing is relayed when the program gets the sockets");
  const addresses = listen.map(formatAddress);
  // Port 0 is another port each time.
  const twin = addresses.find((address, index) => !address.endsWith(":0") && addresses.indexOf(address) < index);
  if (twin !== undefined) throw new UserError(`cannot use --listen ${twin} twice: leave one of them out`);
  const names = new Set<string>();
  for (const { name } of route) {
    if (names.has(name.toUpperCase())) {
      throw new UserError(`cannot use two routes for "${name}": a socket has one target; leave one of them out`);
    }
    names.add(name.toUpperCase());
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

function readValue(option: Option<unknown>, origin: string, text: string): unknown {
  try {
    return option.parse(text);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`cannot use ${quote(text)} for ${origin}: ${error.message}`);
  }
}
