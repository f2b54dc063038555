import { parseAddress, parseSocketPath, parseTcpAddress } from "./address.ts";
import { type LogLevel, logLevels, UserError } from "./log.ts";

/** One setting: how it is written on the command line and in the environment, and how its text becomes a value. */
interface Option<T> {
  /** The flag, without `--`. */
  flag: string;
  /** The environment variable; a flag wins over it, and an empty one counts as not set. */
  variable?: string;
  /** What stands behind the flag, as help and man page show it; none for a switch. */
  value?: string;
  /** The text that is read when neither flag nor variable is given. */
  default?: string;
  /** May the flag be given more than once? */
  repeatable?: true;
  /** One sentence for help, man page and README. */
  help: string;
  /** Throws a UserError which says what would be right. */
  parse: (text: string) => T;
}

/** Keeps which of the fields an option has, so that Settings can tell values that are always there from others. */
const option = <const O extends Option<unknown>>(definition: O) => definition;

/** The one table of settings: flags, variables, help, man page and README all come from it or are checked against it. */
export const options = {
  socketName: option({
    flag: "socket-name",
    variable: "LAUNCH_DAEMON_SOCKET_NAME",
    value: "name",
    help: "The socket's key under Sockets in the plist, or its name for systemd. Default: Socket, else Listeners or listeners; for systemd all sockets.",
    parse: parseName,
  }),
  tcpAddress: option({
    flag: "tcp-address",
    variable: "LAUNCH_PROGRAM_TCP_ADDRESS",
    value: "address",
    help: "Relay to the program at HOST:PORT, [IPv6]:PORT or :PORT. Of the two variables this one wins over the path.",
    parse: (text) => parseTcpAddress(text),
  }),
  socketPath: option({
    flag: "socket-path",
    variable: "LAUNCH_PROGRAM_SOCKET_PATH",
    value: "path",
    help: "Relay to the program at this Unix socket. Default: a generated path in a private folder. The program finds the path in the variable.",
    parse: parseSocketPath,
  }),
  connectTimeout: option({
    flag: "connect-timeout",
    variable: "LAUNCH_PROGRAM_CONNECT_TIMEOUT",
    value: "duration",
    default: "30s",
    help: "How long a client waits for the program to listen.",
    parse: parseDuration,
  }),
  stopTimeout: option({
    flag: "stop-timeout",
    variable: "LAUNCH_PROGRAM_STOP_TIMEOUT",
    value: "duration",
    default: "15s",
    help: "How long a stop may take before the program is killed; at most half of it waits for transfers.",
    parse: parseDuration,
  }),
  maxConnections: option({
    flag: "max-connections",
    variable: "LAUNCH_DAEMON_MAX_CONNECTIONS",
    value: "number",
    help: "How many connections may be open; more wait in the kernel. Default: what the limit on open files allows.",
    parse: parseCount,
  }),
  tcpKeepalive: option({
    flag: "tcp-keepalive",
    variable: "LAUNCH_DAEMON_TCP_KEEPALIVE",
    value: "duration",
    default: "60s",
    help: "Probe a silent TCP peer after this long; 0 for never.",
    parse: parseDuration,
  }),
  idleTimeout: option({
    flag: "idle-timeout",
    variable: "LAUNCH_DAEMON_IDLE_TIMEOUT",
    value: "duration",
    default: "0",
    help: "Close a connection on which nothing moves for this long; 0 for never.",
    parse: parseDuration,
  }),
  listen: option({
    flag: "listen",
    value: "address",
    repeatable: true,
    help: "Bind HOST:PORT or a Unix path by itself, without launchd or systemd; for trying things out.",
    parse: (text) => parseAddress(text, { portZero: true }),
  }),
  logLevel: option({
    flag: "log-level",
    variable: "LAUNCH_DAEMON_LOG_LEVEL",
    value: "level",
    default: "info",
    help: "How much goes to stderr: error, warn, info, or debug with a line for each connection.",
    parse: parseLogLevel,
  }),
};

export type OptionName = keyof typeof options;

type Value<O> = O extends { parse: (text: string) => infer T }
  ? O extends { repeatable: true }
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
 * set, and a target that is given as a flag wins over both target variables. Throws a UserError that names the flag or variable, the value and what
 * would be right.
 */
export function readSettings(flags: Flags, environment: Record<string, string | undefined>): Settings {
  if (flags.tcpAddress && flags.socketPath) {
    throw new UserError("cannot use both --tcp-address and --socket-path: there is one target; leave one of them out");
  }
  const targetIsFlag = flags.tcpAddress !== undefined || flags.socketPath !== undefined;
  const settings: Partial<Record<OptionName, unknown>> = {};
  for (const [name, option] of Object.entries(options) as [OptionName, Option<unknown>][]) {
    const isTarget = name === "tcpAddress" || name === "socketPath";
    const variable = option.variable && !(targetIsFlag && isTarget) ? environment[option.variable] : undefined;
    const given = flags[name];
    if (option.repeatable) {
      settings[name] = (given ?? []).map((text) => readValue(option, `--${option.flag}`, text));
    } else if (given) {
      if (given.length > 1) throw new UserError(`cannot use --${option.flag} twice: leave one of them out`);
      settings[name] = readValue(option, `--${option.flag}`, given[0] ?? "");
    } else {
      const text = variable || option.default;
      settings[name] = text === undefined ? undefined : readValue(option, option.variable ?? "", text);
    }
  }
  return settings as Settings;
}

function readValue(option: Option<unknown>, source: string, text: string): unknown {
  try {
    return option.parse(text);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`cannot use ${JSON.stringify(text)} for ${source}: ${error.message}`);
  }
}

/**
 * Reads a duration in milliseconds from `500ms`, `30s`, `5m` or `1h`; `0` is never and becomes Infinity. At most 24
 * days, since a timer holds no more.
 */
export function parseDuration(text: string): number {
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const match = text.match(/^(\d+)(ms|s|m|h)$/);
  if (Number(text) === 0 && /^0+$/.test(text)) return Number.POSITIVE_INFINITY;
  if (!match) throw new UserError("it is not a duration; write one like 500ms, 30s, 5m or 1h, or 0 for never");
  const duration = Number(match[1]) * units[match[2] as keyof typeof units];
  if (duration > 24 * 24 * units.h)
    throw new UserError("it is longer than 24 days; write a shorter one, or 0 for never");
  return duration === 0 ? Number.POSITIVE_INFINITY : duration;
}

function parseCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 1_000_000)
    throw new UserError("it is not a number of connections; write one from 1 to 1000000");
  return count;
}

function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((level) => level === text);
  if (level === undefined) throw new UserError(`it is not a level; write one of ${logLevels.join(", ")}`);
  return level;
}

/** A socket's name travels as a C string. */
function parseName(text: string): string {
  if (text === "" || text.includes("\0")) throw new UserError("it is not a name; write the socket's key in the plist");
  return text;
}
