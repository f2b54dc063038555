/**
 * Reads a job's property list as the launchd stand-in understands it. Keys, meanings and defaults: launchd.plist(5).
 * Keys that it does not know are passed over, as launchd does; values that it cannot honour are errors, so that no test
 * believes in something that did not happen.
 */
import { readFileSync } from "node:fs";
import { type PlistValue, parse } from "plist";
import type { Family, SocketType } from "./library.ts";

export type SocketDescription =
  | { kind: "address"; node: string; service: string; family: Family; type: SocketType }
  | { kind: "path"; path: string; mode: number | null; owner: number | null; group: number | null; type: SocketType };

export interface JobDescription {
  label: string;
  program: string;
  arguments: string[];
  runAtLoad: boolean;
  keepAlive: boolean | { successfulExit: boolean };
  user: string | null;
  group: string | null;
  folder: string;
  environment: Record<string, string>;
  stdin: string | null;
  stdout: string | null;
  stderr: string | null;
  umask: number | null;
  softLimit: number | null;
  hardLimit: number | null;
  /** Milliseconds from SIGTERM to SIGKILL; Infinity for never. */
  exitTimeout: number;
  abandonProcessGroup: boolean;
  sockets: Map<string, SocketDescription[]>;
}

type Dictionary = { [key: string]: PlistValue };

function isDictionary(value: PlistValue | undefined): value is Dictionary {
  return typeof value === "object" && value !== null && !Array.isArray(value) && value.constructor === Object;
}

/** One dictionary of a plist, whose values are taken out by their type. */
class Keys {
  constructor(
    readonly where: string,
    readonly values: Dictionary,
  ) {}

  #wrong(key: string, wanted: string): Error {
    return new Error(`${this.where}: ${key} is not ${wanted}`);
  }

  string(key: string): string | null {
    const value = this.values[key] ?? null;
    if (value !== null && typeof value !== "string") throw this.#wrong(key, "a string");
    return value;
  }

  integer(key: string): number | null {
    const value = this.values[key] ?? null;
    if (value !== null && !Number.isInteger(value)) throw this.#wrong(key, "an integer");
    return value as number | null;
  }

  boolean(key: string): boolean {
    const value = this.values[key] ?? false;
    if (typeof value !== "boolean") throw this.#wrong(key, "true or false");
    return value;
  }

  strings(key: string): string[] {
    const value = this.values[key] ?? [];
    if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
    throw this.#wrong(key, "an array of strings");
  }

  dictionary(key: string): Keys {
    const value = this.values[key] ?? {};
    if (!isDictionary(value)) throw this.#wrong(key, "a dictionary");
    return new Keys(`${this.where}: ${key}`, value);
  }

  /** The dictionaries below a key that has either one or an array of them. */
  dictionaries(key: string): Keys[] {
    const value = this.values[key] ?? [];
    return (Array.isArray(value) ? value : [value]).map((one) => {
      if (!isDictionary(one)) throw this.#wrong(key, "a dictionary or an array of dictionaries");
      return new Keys(`${this.where}: ${key}`, one);
    });
  }

  /** One of the named values, without regard to case. */
  choice<T>(key: string, choices: Record<string, T>, missing: T): T {
    const value = this.string(key)?.toLowerCase();
    if (value === undefined) return missing;
    const chosen = choices[value];
    if (chosen === undefined) throw this.#wrong(key, `one of ${Object.keys(choices).join(", ")}`);
    return chosen;
  }
}

/**
 * Seconds. launchd.plist(5) calls it system-defined; `launchctl print` says `exit timeout = 5` of jobs without the key
 * (glowinthedark/pylaunchd#1, bobmatnyc/trusty-tools#4393), and launchd logs "Service did not exit 5 seconds after
 * SIGTERM. Sending SIGKILL." (elastic/elastic-agent#593).
 */
const defaultExitTimeout = 5;

/** Reads an XML or binary property list. */
export function readJob(file: string): JobDescription {
  const bytes = readFileSync(file);
  const binary = bytes.subarray(0, 6).toString("latin1") === "bplist";
  const value = parse(binary ? bytes : bytes.toString());
  if (!isDictionary(value)) throw new Error(`${file}: not a dictionary`);
  const keys = new Keys(file, value);

  const label = keys.string("Label");
  const words = keys.strings("ProgramArguments");
  const program = keys.string("Program") ?? words[0];
  if (label === null || program === undefined) throw new Error(`${file}: no Label or nothing to run`);
  const environment = keys.dictionary("EnvironmentVariables");
  const sockets = keys.dictionary("Sockets");
  const exitTimeout = keys.integer("ExitTimeOut") ?? defaultExitTimeout;
  const keepAlive = readKeepAlive(keys);
  return {
    label,
    program,
    arguments: words.length > 0 ? words : [program],
    // A job has to run once before there is an exit status to judge.
    runAtLoad: keys.boolean("RunAtLoad") || keepAlive !== false,
    keepAlive,
    user: keys.string("UserName"),
    group: keys.string("GroupName"),
    folder: keys.string("WorkingDirectory") ?? "/",
    environment: Object.fromEntries(
      Object.keys(environment.values).map((name) => [name, environment.string(name) ?? ""]),
    ),
    stdin: keys.string("StandardInPath"),
    stdout: keys.string("StandardOutPath"),
    stderr: keys.string("StandardErrorPath"),
    // Property lists have no octal integers; launchd takes a string like "022" as well.
    umask: typeof value.Umask === "string" ? Number.parseInt(value.Umask, 8) : keys.integer("Umask"),
    softLimit: keys.dictionary("SoftResourceLimits").integer("NumberOfFiles"),
    hardLimit: keys.dictionary("HardResourceLimits").integer("NumberOfFiles"),
    // launchd.plist(5): zero is infinity.
    exitTimeout: exitTimeout === 0 ? Number.POSITIVE_INFINITY : exitTimeout * 1000,
    abandonProcessGroup: keys.boolean("AbandonProcessGroup"),
    sockets: new Map(
      Object.keys(sockets.values).map((name) => [name, sockets.dictionaries(name).map(readSocket)] as const),
    ),
  };
}

function readKeepAlive(keys: Keys): JobDescription["keepAlive"] {
  if (!isDictionary(keys.values.KeepAlive)) return keys.boolean("KeepAlive");
  const conditions = keys.dictionary("KeepAlive");
  const unknown = Object.keys(conditions.values).filter((key) => key !== "SuccessfulExit");
  if (unknown.length > 0) throw new Error(`${conditions.where}: the stand-in does not know ${unknown.join(", ")}`);
  return { successfulExit: conditions.boolean("SuccessfulExit") };
}

function readSocket(keys: Keys): SocketDescription {
  if ("SockPassive" in keys.values && !keys.boolean("SockPassive")) {
    throw new Error(`${keys.where}: the stand-in only binds sockets (SockPassive)`);
  }
  const protocol = keys.choice<SocketType>("SockProtocol", { tcp: "stream", udp: "dgram" }, "stream");
  const type = keys.choice<SocketType>("SockType", { stream: "stream", dgram: "dgram" }, protocol);
  const path = keys.string("SockPathName");
  if (path !== null) {
    const [mode, owner, group] = ["SockPathMode", "SockPathOwner", "SockPathGroup"].map((key) => keys.integer(key));
    return { kind: "path", path, type, mode: mode ?? null, owner: owner ?? null, group: group ?? null };
  }
  const service = keys.values.SockServiceName;
  return {
    kind: "address",
    node: keys.string("SockNodeName") ?? "",
    // Without a service getaddrinfo(3) gives port 0, and the kernel chooses (launchd-842, support/launchctl.c:1549).
    service: typeof service === "number" ? String(service) : (keys.string("SockServiceName") ?? "0"),
    family: keys.choice<Family>("SockFamily", { ipv4: 4, ipv6: 6, ipv4v6: 46 }, 0),
    type,
  };
}
