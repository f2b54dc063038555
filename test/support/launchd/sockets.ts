import { chmodSync, chownSync, closeSync, rmSync } from "node:fs";
import { addressOf, type Family, listen, listenPath, type SocketType } from "./library.ts";
import type { JobDescription, SocketDescription } from "./plist.ts";

/** A bound socket of a job; `fd` is the stand-in's own descriptor, open as long as the job is loaded. */
export type Socket =
  | { kind: "address"; fd: number; host: string; port: number }
  | { kind: "path"; fd: number; path: string };

export type Sockets = Map<string, Socket[]>;

/**
 * Binds what a job's `Sockets` says. The caller owns the result and closes it with `closeSockets`. Where somebody else has an
 * address launchd loads the job all the same and says nothing (measured by an app whose record of decisions tells it, "Claude
 * Code hooks go through a helper", 2026: status 0, and a print like that of a healthy job); that the job then has no descriptor for it is
 * launchd-842's way (support/launchctl.c:1579) and a guess for today's. With `refuse` it throws, with nothing left bound.
 */
export function bindSockets(
  description: JobDescription["sockets"],
  backlog: number,
  takenAddress: "refuse" | "leave out" = "refuse",
): Sockets {
  const sockets: Sockets = new Map();
  try {
    for (const [name, entries] of description) {
      const bound: Socket[] = [];
      sockets.set(name, bound);
      for (const entry of entries) {
        try {
          for (const socket of bindSocket(entry, backlog)) bound.push(socket);
        } catch (error) {
          if (takenAddress === "refuse" || !String(error).includes("EADDRINUSE")) throw error;
        }
      }
    }
  } catch (error) {
    closeSockets(sockets);
    throw error;
  }
  return sockets;
}

export function closeSockets(sockets: Sockets): void {
  for (const socket of [...sockets.values()].flat()) {
    closeSync(socket.fd);
    if (socket.kind === "path") rmSync(socket.path, { force: true });
  }
}

function bindSocket(entry: SocketDescription, backlog: number): Socket[] {
  if (entry.kind === "path") {
    const { path, type, mode, owner, group } = entry;
    const fd = listenPath(path, type, backlog);
    if (owner !== null || group !== null) chownSync(path, owner ?? -1, group ?? -1);
    if (mode !== null) chmodSync(path, mode);
    return [{ kind: "path", fd, path }];
  }
  const { node, service, family, type } = entry;
  return bindNode(node, service, family, type, backlog).map((fd) => ({ kind: "address", fd, ...addressOf(fd) }));
}

function bindNode(node: string, service: string, family: Family, type: SocketType, backlog: number): number[] {
  const fds = listen(node, service, family, type, backlog);
  // A Mac's localhost is always both; the hosts file of many a Linux container has IPv4 alone.
  if (node !== "localhost" || family !== 0 || fds.some((fd) => addressOf(fd).host === "::1")) return fds;
  try {
    return [...fds, ...listen("::1", service, 6, type, backlog)];
  } catch (error) {
    if (/EAFNOSUPPORT|EADDRNOTAVAIL/.test(String(error))) return fds;
    for (const fd of fds) closeSync(fd);
    throw error;
  }
}
