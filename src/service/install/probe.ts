import { connect, type Socket } from "node:net";
import type { Contact } from "../launchd/contacts.ts";

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
