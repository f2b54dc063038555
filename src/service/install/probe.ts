import { connect, type Socket } from "node:net";
import { type Address, formatAddress, parsePort } from "../../address.ts";
import { defaultSocketNames, type Settings } from "../../settings/options.ts";
import { socketNamesOf } from "../../settings/routes.ts";
import { own } from "../check/inspection.ts";
import { type Dictionary, isDictionary } from "../plist/value.ts";

/** Where a client can reach a service. */
export type Contact = Address;

/** A connection to a service that keeps trying until it is made. Nothing is sent. */
export class Probe implements Disposable {
  #socket: Socket | null = null;
  #retry: Timer | null = null;
  /** Whether it has been made. */
  connected = false;

  constructor(readonly contact: Contact) {
    this.#try();
  }

  get where(): string {
    return formatAddress(this.contact);
  }

  [Symbol.dispose](): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#socket?.removeAllListeners("close");
    this.#socket?.destroy();
  }

  #try(): void {
    const { contact } = this;
    this.#socket = connect(
      contact.kind === "unix" ? { path: contact.path } : { host: contact.host, port: contact.port },
    );
    this.#socket.on("connect", () => {
      this.connected = true;
    });
    // What went wrong shows in what becomes of the service.
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      if (!this.connected) this.#retry = setTimeout(() => this.#try(), 100);
    });
  }
}

/** All that a client can connect to, in the order of the plist; the sockets that the program is asked for. */
export function contactsOf(job: Dictionary, settings: Settings): Contact[] {
  const sockets = own(job, "Sockets");
  if (!isDictionary(sockets)) return [];
  const names = socketNamesOf(settings) ?? [defaultSocketNames.find((name) => own(sockets, name) !== undefined) ?? ""];
  return names
    .flatMap((name) => own(sockets, name) ?? [])
    .filter(isDictionary)
    .flatMap(contactOf);
}

function contactOf(entry: Dictionary): Contact[] {
  const { SockPathName, SockNodeName, SockServiceName, SockFamily, SockType, SockProtocol } = entry;
  const isDatagram =
    /^dgram$/i.test(String(SockType)) || (SockType === undefined && /^udp$/i.test(String(SockProtocol)));
  if (isDatagram) return [];
  if (typeof SockPathName === "string") return [{ kind: "unix", path: SockPathName }];
  if (SockServiceName === undefined) return [];
  const node = typeof SockNodeName === "string" ? SockNodeName : "";
  const loopback = /^ipv6/i.test(String(SockFamily)) || node === "::" ? "::1" : "127.0.0.1";
  const isWildcard = node === "" || node === "::" || node === "0.0.0.0";
  return [{ kind: "tcp", host: isWildcard ? loopback : node, port: parsePort(String(SockServiceName)) }];
}
