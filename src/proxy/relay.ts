import type { Socket, SocketHandler } from "bun";
import type { ListeningSocket } from "../activation/activation.ts";
import { type Address, formatAddress } from "../address.ts";
import { unsentBytes } from "../descriptor.ts";
import type { Log } from "../log.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import { type Dial, Dialer } from "./dial.ts";
import type { Leg } from "./leg.ts";
import { Listener } from "./listener.ts";

/** How the relay is to behave; durations in milliseconds, Infinity for never. */
export interface RelaySettings {
  connectTimeout: number;
  stopTimeout: number;
  maxConnections: number;
  tcpKeepalive: number;
  idleTimeout: number;
  /** Is a line for each connection wanted? Asking for a client's address costs a system call. */
  describeClients: boolean;
}

/** A connection without a byte for this long is not waited for by a stop. */
const quiet = 500;
/** kqueue may never report a reset of a half-closed connection: one on which nothing moves is closed after this. */
const halfClosedLimit = 3_600_000;

/** Accepts clients and connects each with the program: the set of all connections and its limits. */
export class Relay implements ConnectionOwner {
  readonly deliveryTimeout: number;
  readonly #listeners: Listener[];
  readonly #dialer: Dialer;
  readonly #connections = new Set<Connection>();
  #state: "accepting" | "stopped" = "stopped";
  #sweeper: Timer | undefined;

  constructor(
    sockets: ListeningSocket[],
    readonly target: Address,
    readonly settings: RelaySettings,
    readonly log: Log,
  ) {
    this.deliveryTimeout = settings.stopTimeout;
    this.#dialer = new Dialer(target, settings.connectTimeout, this.#handlers, log);
    this.#dialer.onChange = () => this.#adjust();
    this.#listeners = sockets.map((socket) => {
      const handlers = {
        ...this.#handlers,
        open: (client: Socket<Leg>) => this.#accepted(client, socket.address.kind),
      };
      return new Listener(socket, handlers);
    });
  }

  /** Was the program ever reached? */
  get reached(): boolean {
    return this.#dialer.reached;
  }

  get size(): number {
    return this.#connections.size;
  }

  start(): void {
    this.#state = "accepting";
    this.#adjust();
  }

  /** Newcomers wait in the kernel's queue from now on; connections go on. */
  stopAccepting(): void {
    this.#state = "stopped";
    this.#adjust();
  }

  /** There will be no program to connect to: clients that wait for it are closed. */
  abandonDials(): void {
    this.#dialer.abandon();
  }

  /**
   * Resolves once every connection has ended, has gone quiet or has nothing left to deliver, at the latest after
   * `timeout` milliseconds or when `hurry` is aborted.
   */
  async settle(timeout: number, hurry: AbortSignal): Promise<void> {
    const start = performance.now();
    for (const connection of this.#connections) connection.seen = { bytes: connection.bytes, since: start };
    for (let now = start; now - start < timeout && !hurry.aborted; now = performance.now()) {
      if ([...this.#connections].every((connection) => this.#isSettled(connection, now))) return;
      await Bun.sleep(10);
    }
  }

  /** Closes everything that is left. */
  close(): void {
    this.stopAccepting();
    for (const listener of this.#listeners) listener.close();
    for (const connection of this.#connections) connection.hangUp("stopped");
  }

  unsentBytes(fd: number): number {
    return unsentBytes(fd);
  }

  cancelDial(dial: Dial): void {
    this.#dialer.cancel(dial);
  }

  connectionEnded(connection: Connection): void {
    this.#connections.delete(connection);
    const { client, backend, clientName, outcome } = connection;
    this.log.debug(
      `${clientName} to ${formatAddress(this.target)}: ${client.received} bytes up, ${backend.received} bytes down, ended ${outcome}`,
    );
    this.#adjust();
  }

  /** What Bun calls for every socket, accepted or connected. */
  get #handlers(): SocketHandler<Leg> {
    return {
      data: ({ data: leg }, chunk) => leg.receive(chunk),
      drain: ({ data: leg }) => leg.drain(),
      end: ({ data: leg }) => leg.end(),
      close: ({ data: leg }, error) => leg.close(error),
      error: (socket, error) => this.#defect(socket, error),
    };
  }

  #accepted(socket: Socket<Leg>, kind: Address["kind"]): void {
    const connection = new Connection(this, this.#nameOf(socket, kind), { client: kind, backend: this.target.kind });
    socket.data = connection.client;
    this.#keepAlive(socket, kind);
    this.#connections.add(connection);
    connection.accept(socket);
    this.#dialer.dial(
      connection.backend,
      (backend) => {
        this.#keepAlive(backend, this.target.kind);
        connection.connected(backend);
      },
      (reason) => {
        this.log.error(`error connecting to program: ${explain(reason, this.target)}`);
        connection.giveUp();
      },
    );
    this.#adjust();
    this.#startSweeper();
  }

  #nameOf(socket: Socket<Leg>, kind: Address["kind"]): string {
    if (!this.settings.describeClients) return "";
    return kind === "unix" ? "a client" : formatAddress({ kind, host: socket.remoteAddress, port: socket.remotePort });
  }

  /** Accepts if there is room and a program to connect to. */
  #adjust(): void {
    const room = this.#connections.size < this.settings.maxConnections;
    const accepting = this.#state === "accepting" && room && this.#dialer.open;
    for (const listener of this.#listeners) accepting ? listener.accept() : listener.pause();
  }

  /** Probes find peers that have vanished; Bun has switched Nagle's algorithm off already. */
  #keepAlive(socket: Socket<Leg>, kind: Address["kind"]): void {
    const { tcpKeepalive } = this.settings;
    if (kind === "tcp" && tcpKeepalive !== Number.POSITIVE_INFINITY) socket.setKeepAlive(true, tcpKeepalive);
  }

  #startSweeper(): void {
    if (this.#sweeper !== undefined) return;
    const interval = Math.max(50, Math.min(this.settings.idleTimeout, halfClosedLimit) / 8);
    this.#sweeper = setTimeout(() => {
      this.#sweeper = undefined;
      const now = performance.now();
      for (const connection of this.#connections) {
        const limit = connection.halfClosed
          ? Math.min(this.settings.idleTimeout, halfClosedLimit)
          : this.settings.idleTimeout;
        if (!connection.dialing && this.#quietFor(connection, now) >= limit) connection.hangUp("idle");
      }
      if (this.#connections.size > 0) this.#startSweeper();
    }, interval);
    this.#sweeper.unref();
  }

  #isSettled(connection: Connection, now: number): boolean {
    return connection.delivered || (!connection.pending && this.#quietFor(connection, now) >= quiet);
  }

  /** Milliseconds since the connection was first seen with as many bytes as it has now. */
  #quietFor(connection: Connection, now: number): number {
    const { bytes } = connection;
    if (bytes !== connection.seen.bytes) connection.seen = { bytes, since: now };
    return now - connection.seen.since;
  }

  #defect(socket: Socket<Leg>, error: Error): void {
    this.log.error(error.stack ?? error.message);
    socket.terminate();
  }
}

function explain(reason: string, target: Address): string {
  const place = formatAddress(target);
  switch (reason) {
    case "ENOENT":
      return `there is no socket at ${place}; check that the program makes it (LAUNCH_PROGRAM_SOCKET_PATH)`;
    case "ECONNREFUSED":
    case "EAGAIN":
      return `nothing accepts connections at ${place}; check that the program listens there`;
    case "EACCES":
    case "EPERM":
      return `permission denied at ${place}; check the owner and mode of the socket and its folders`;
    case "ENOTSOCK":
      return `${place} is no socket; check the path`;
    case "ETIMEDOUT":
      return `${place} does not answer; check the address and the network`;
    default:
      return `${place}: ${reason}`;
  }
}
