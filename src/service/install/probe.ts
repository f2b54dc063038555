import { connect, type Socket } from "node:net";
import { type Address, parsePort } from "../../address.ts";
import { defaultSocketNames, type Settings } from "../../settings/options.ts";
import { socketNamesOf } from "../../settings/routes.ts";
import { own } from "../check/inspection.ts";
import { type Dictionary, isDictionary } from "../plist/value.ts";

/** Where a client can reach a service. */
export type Contact = Address;

/** What a client saw of a service: it sends nothing, so that a server which says nothing first only holds the connection. */
export type Sight = { contact: Contact; state: "answered" | "open" | "closed" };

/** A connection to each address of a service. */
export class Probes implements Disposable {
  readonly #probes: Probe[];

  constructor(contacts: Contact[]) {
    this.#probes = contacts.map((contact) => new Probe(contact));
  }

  /** The first address that takes no connection; undefined once all have. */
  get refused(): Contact | undefined {
    return this.#probes.find(({ connected }) => !connected)?.contact;
  }

  get sights(): Sight[] {
    return this.#probes.map(({ contact, state }) => ({ contact, state }));
  }

  [Symbol.dispose](): void {
    for (const probe of this.#probes) probe[Symbol.dispose]();
  }
}

/** A connection to a service that keeps trying until it is made. Nothing is sent. */
export class Probe implements Disposable {
  #socket: Socket | null = null;
  #retry: Timer | null = null;
  /** Whether it has been made. */
  connected = false;
  state: Sight["state"] = "open";

  constructor(readonly contact: Contact) {
    this.#try();
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
    this.#socket.on("data", () => {
      this.state = "answered";
    });
    // What went wrong shows in what becomes of the service.
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      if (this.connected && this.state === "open") this.state = "closed";
      if (!this.connected) this.#retry = setTimeout(() => this.#try(), 100);
    });
  }
}

/** All that a client can connect to, in the order of the plist; the sockets that the program is asked for. */
export function contactsOf(job: Dictionary, settings: Settings): Contact[] {
  return entriesOf(job, settings).flatMap(contactOf);
}

/** Whether launchd has to bind a port under 1024 on a single address, which takes root (xnu, in_pcb.c): the wildcard one does not. */
export function takesRoot(job: Dictionary, settings: Settings): boolean {
  return entriesOf(job, settings).some((entry) => {
    const { SockNodeName } = entry;
    const isWildcard = typeof SockNodeName !== "string" || ["", "::", "0.0.0.0"].includes(SockNodeName);
    return !isWildcard && contactOf(entry).some((contact) => contact.kind === "tcp" && contact.port < 1024);
  });
}

function entriesOf(job: Dictionary, settings: Settings): Dictionary[] {
  const sockets = own(job, "Sockets");
  if (!isDictionary(sockets)) return [];
  const names = socketNamesOf(settings) ?? [defaultSocketNames.find((name) => own(sockets, name) !== undefined) ?? ""];
  return names.flatMap((name) => own(sockets, name) ?? []).filter(isDictionary);
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
