import type { Address, TcpAddress } from "../../address.ts";
import { canonicalHost } from "../../system/ip.ts";
import { ask } from "../tool.ts";

/** A process that listens on a TCP address. */
export interface Listener {
  pid: number;
  command: string;
  /** As lsof writes it: `127.0.0.1:80`, `[::1]:80`, `*:80`. */
  address: string;
}

/** launchd's own pid: it holds the sockets of jobs that do not run. */
const launchd = 1;

/** Who listens, as far as lsof(8) tells the caller: without root it sees the caller's own processes only. Null where it tells nothing at all. */
export async function findListeners(lsof: string): Promise<Listener[] | null> {
  // -F gives a field a line, +c 0 whole names.
  const text = await ask(lsof, "-nP", "+c", "0", "-iTCP", "-sTCP:LISTEN", "-F", "pcn");
  return text === null ? null : readListeners(text);
}

/** Reads what `lsof -F pcn` says: `p` begins a process, `c` is its name, and each `n` an address of it. */
export function readListeners(text: string): Listener[] {
  const listeners: Listener[] = [];
  let pid = 0;
  let command = "";
  for (const line of text.split("\n")) {
    const value = line.slice(1);
    if (line[0] === "p") pid = Number(value);
    else if (line[0] === "c")
      command = value.replace(/\\x([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
    else if (line[0] === "n") listeners.push({ pid, command, address: value });
  }
  return listeners;
}

/**
 * Who holds an address that a service is to have; null where nobody is seen to, or launchd or the service itself (`pid`) does. Two
 * sockets, one for every address and one for a single one, can be bound beside each other (SO_REUSEADDR, which launchd sets; xnu's
 * bsd/netinet/in_pcb.c, in_pcbbind), and connections to the single address go to the latter.
 */
export function holderOf(address: Address, listeners: Listener[], pid: number | null): Listener | null {
  if (address.kind === "unix") return null;
  const there = listeners.filter((listener) => isAt(listener.address, address));
  if (there.some((listener) => listener.pid === launchd || listener.pid === pid)) return null;
  return there[0] ?? null;
}

function isAt(written: string, { host, port }: TcpAddress): boolean {
  const [, theirs = "", theirPort] = written.match(/^(.*):(\d+)$/) ?? [];
  if (Number(theirPort) !== port) return false;
  const ours = canonicalHost(host);
  if (["", "0.0.0.0", canonicalHost("::")].includes(ours)) return true;
  return theirs !== "*" && canonicalHost(theirs.replace(/^\[|\]$/g, "")) === ours;
}
