import { isIP } from "node:net";
import { type Address, formatAddress, lookUpHost, type TcpAddress } from "../../address.ts";
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
 * What is wrong with the addresses of a service that launchd has loaded, as a sentence's part for each: another program listens there,
 * or, where the caller sees all (root), nobody does. launchd loads such a job without a word, and prints it as if all were well (measured:
 * an app's record of decisions on its hooks, "Claude Code hooks go through a helper", 2026). `pid` is the service's own process.
 */
export async function portProblems(
  addresses: Address[],
  { lsof, uid }: { lsof: string; uid: number },
  { pid, loaded }: { pid: number | null; loaded: boolean },
): Promise<string[]> {
  const numeric = (await Promise.all(addresses.map(resolve))).flat();
  const listeners = numeric.length === 0 ? null : await findListeners(lsof);
  if (listeners === null) return [];
  return numeric.flatMap((address) => {
    const there = listenersAt(address, listeners);
    if (there.some((listener) => listener.pid === launchd || listener.pid === pid)) return [];
    const [holder] = there;
    if (holder !== undefined) {
      return [
        `${formatAddress(address)} is held by ${holder.command} (pid ${holder.pid}), so launchd cannot serve it; stop that, then --stop and --start this`,
      ];
    }
    if (uid !== 0 || !loaded) return [];
    return [
      `nobody listens on ${formatAddress(address)}: launchd could not bind it; check that it is an address of this machine, then --stop and --start this`,
    ];
  });
}

/** The IP addresses of a TCP address; none for one that cannot be looked up, and for a path, at which launchd replaces what is there. */
async function resolve(address: Address): Promise<TcpAddress[]> {
  if (address.kind === "unix") return [];
  if (isIP(address.host) !== 0) return [address];
  const hosts = await lookUpHost(address.host).catch(() => []);
  return hosts.map((host) => ({ ...address, host }));
}

/**
 * Who listens where connections to an address go. Two sockets, one for every address and one for a single one, can be bound beside each
 * other (SO_REUSEADDR, which launchd sets; xnu's bsd/netinet/in_pcb.c, in_pcbbind), and connections to the single address go to the latter.
 */
export function listenersAt({ host, port }: TcpAddress, listeners: Listener[]): Listener[] {
  const ours = canonicalHost(host);
  const isEvery = ["0.0.0.0", canonicalHost("::")].includes(ours);
  return listeners.filter(({ address }) => {
    const [, theirs = "", theirPort] = address.match(/^(.*):(\d+)$/) ?? [];
    if (Number(theirPort) !== port) return false;
    return isEvery || (theirs !== "*" && canonicalHost(theirs.replace(/^\[|\]$/g, "")) === ours);
  });
}
