import { type Address, parseAddress } from "../address.ts";
import { UserError } from "../errors.ts";
import { type LogLevel, logLevels } from "../log.ts";

// How the texts of settings become values. Each function throws a UserError which says what would be right.

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Reads a duration in milliseconds from `500ms`, `30s`, `5m` or `1h`; `0` is never and becomes Infinity. At most 24
 * days, since a timer holds no more.
 */
export function parseDuration(text: string): number {
  const match = text.match(/^(\d+)(ms|s|m|h)$/);
  if (Number(text) === 0 && /^0+$/.test(text)) return Number.POSITIVE_INFINITY;
  if (!match) throw new UserError("it is not a duration; write one like 500ms, 30s, 5m or 1h, or 0 for never");
  const duration = Number(match[1]) * units[match[2] as keyof typeof units];
  if (duration > 24 * 24 * units.h)
    throw new UserError("it is longer than 24 days; write a shorter one, or 0 for never");
  return duration === 0 ? Number.POSITIVE_INFINITY : duration;
}

/** Writes a finite duration as `parseDuration` reads it, in the largest unit that leaves a whole number. */
export function formatDuration(milliseconds: number): string {
  const [unit, length] = Object.entries(units).findLast(([, length]) => milliseconds % length === 0) ?? ["ms", 1];
  return `${milliseconds / length}${unit}`;
}

/** A socket's name and where its connections go; no target stands for a generated path. */
export interface Route {
  name: string;
  target: Address | null;
}

export function parseRoute(text: string): Route {
  const at = text.indexOf("=");
  const [name, target] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1) throw new UserError("it is not a route; write NAME=HOST:PORT, NAME=/path or NAME=");
  if (target !== "") return { name: parseName(name), target: parseAddress(target) };
  // The name becomes part of a variable's.
  if (!/^[A-Za-z0-9_]+$/.test(name)) {
    throw new UserError("a generated path needs a name of letters, digits and _; rename the socket or write a target");
  }
  return { name, target: null };
}

export function parseSwitch(text: string): boolean {
  if (text !== "0" && text !== "1") throw new UserError("it is neither 1 nor 0; write 1 to switch it on");
  return text === "1";
}

/** The versions of the PROXY protocol. */
export const proxyProtocols = ["v1", "v2"] as const;

export function parseProxyProtocol(text: string): (typeof proxyProtocols)[number] {
  const version = proxyProtocols.find((version) => version === text);
  if (version === undefined) throw new UserError(`it is not a version; write ${proxyProtocols.join(" or ")}`);
  return version;
}

export function parseCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 1_000_000)
    throw new UserError("it is not a number of connections; write one from 1 to 1000000");
  return count;
}

export function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((level) => level === text);
  if (level === undefined) throw new UserError(`it is not a level; write one of ${logLevels.join(", ")}`);
  return level;
}

/** A socket's name travels as a C string. */
export function parseName(text: string): string {
  if (text === "" || text.includes("\0")) throw new UserError("it is not a name; write the socket's key in the plist");
  return text;
}
