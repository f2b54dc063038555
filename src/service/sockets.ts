import { isIP } from "node:net";
import { parsePort, parseSocketPath, parseTcpAddress } from "../address.ts";
import { quote, UserError } from "../errors.ts";
import { defaultSocketNames, type Settings } from "../settings/options.ts";
import { socketNamesOf } from "../settings/routes.ts";
import { isForShell, notExpanded } from "../system/path-search.ts";
import { type ServiceFlags, serviceFlags } from "./flags.ts";

/** What launchd is to bind. */
export type SocketDescription =
  /** An IP address or a name, and a number or a service's name. */
  | { host: string; port: string }
  /** As it was given, so maybe relative; the mode as a number, undefined for launchd's own. */
  | { path: string; mode: number | undefined };

/** The sockets that the flags ask for, by their key under Sockets; what is given twice is there once. Throws a UserError. */
export function describeSockets(flags: ServiceFlags, settings: Settings): Map<string, SocketDescription[]> {
  const sockets = new Map<string, SocketDescription[]>();
  const names = socketNamesOf(settings);
  const hosts = (flags.address ?? [serviceFlags.address.default]).map(parseHost);
  const mode = parseMode(flags);
  const ports = flags.port ?? (flags.listenPath === undefined ? [serviceFlags.port.default] : []);
  if (flags.address && ports.length === 0) {
    throw new UserError("cannot use --address with --listen-path alone: there is no port to serve on it; add --port");
  }
  const add = (flag: "port" | "listenPath", text: string, entries: (value: string) => SocketDescription[]) => {
    const spelt = `--${serviceFlags[flag].flag}`;
    check(text, spelt, () => {
      const [name, value] = splitName(flag, text, names);
      const list = sockets.get(name) ?? [];
      for (const entry of entries(value)) {
        if (!list.some((other) => Bun.deepEquals(entry, other))) list.push(entry);
      }
      sockets.set(name, list);
    });
  };
  for (const text of ports) {
    add("port", text, (port) => {
      parsePort(port);
      return hosts.map((host) => ({ host, port }));
    });
  }
  for (const text of flags.listenPath ?? []) {
    add("listenPath", text, (path) => {
      if (isForShell(path)) throw new UserError(notExpanded);
      if (!path.includes("/")) throw new UserError(`a path has a slash; write ./${path} or the whole path`);
      return [{ path: parseSocketPath(path).path, mode }];
    });
  }
  const missing = names?.find((name) => !sockets.has(name));
  if (missing !== undefined) {
    throw new UserError(`cannot serve the socket ${quote(missing)}: it has no port; add --port ${missing}=PORT`);
  }
  return sockets;
}

/** What a person gave twice, for a note. */
export function equalPorts(flags: ServiceFlags): string[] {
  const given = [...(flags.port ?? []), ...(flags.listenPath ?? [])];
  return [...new Set(given.filter((text, index) => given.indexOf(text) < index))];
}

/** `NAME=VALUE`, or a value for the one name that there is. A path may have a `=` of its own after its first slash. */
function splitName(flag: "port" | "listenPath", text: string, names: string[] | null): [name: string, value: string] {
  const at = flag === "port" ? text.lastIndexOf("=") : text.search(/^[^/]*=/) < 0 ? -1 : text.indexOf("=");
  if (at >= 0) {
    const name = text.slice(0, at);
    const what = serviceFlags[flag].value.replace("[name=]", "").toUpperCase();
    if (name === "") throw new UserError(`the name is empty; write ${what} or NAME=${what}`);
    if (!(names ?? [...defaultSocketNames]).includes(name)) {
      throw new UserError(`no socket ${quote(name)} is asked for; name it by --socket-name or --route`);
    }
    return [name, text.slice(at + 1)];
  }
  if (names !== null && names.length > 1) {
    const what = flag === "port" ? "PORT" : "PATH";
    throw new UserError(`there are several sockets; write ${names.map((name) => `${name}=${what}`).join(" or ")}`);
  }
  return [names?.[0] ?? defaultSocketNames[0], text];
}

function parseMode(flags: ServiceFlags): number | undefined {
  const text = flags.listenMode?.[0];
  if (text === undefined) return undefined;
  if (flags.listenPath === undefined) {
    throw new UserError("cannot use --listen-mode without --listen-path: it is the mode of a Unix socket");
  }
  if (!/^0?[0-7]{3}$/.test(text)) {
    throw new UserError(
      `cannot use ${quote(text)} for --listen-mode: it is not a mode; write three octal digits, such as 660`,
    );
  }
  return Number.parseInt(text, 8);
}

function parseHost(text: string): string {
  const [, bracketed] = text.match(/^\[(.*)\]$/) ?? [];
  const host = bracketed ?? text;
  if (isIP(host) !== 0) return host;
  check(text, "--address", () => {
    if (text === "*") throw new UserError("launchd does not know *; write 0.0.0.0 for the whole network");
    if (text === "" || text.includes(":"))
      throw new UserError("it is not an address; write one like 127.0.0.1, ::1 or 0.0.0.0");
    parseTcpAddress(`${text}:1`);
  });
  return text;
}

/** Runs it and names the flag and its text in what it throws. */
function check(text: string, flag: string, parse: () => void): void {
  try {
    parse();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`cannot use ${quote(text)} for ${flag}: ${error.message}`);
  }
}
