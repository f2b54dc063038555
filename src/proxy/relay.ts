import type { Socket, SocketHandler } from "bun";
import type { ListeningSocket } from "../activation/activation.ts";
import { type Address, formatAddress } from "../address.ts";
import { setKeepAlive, setSendBuffer, unsentBytes } from "../descriptor.ts";
import { type Log, log } from "../log.ts";
import { receive } from "./bulk.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import { type Dial, Dialer } from "./dial.ts";
import type { Leg } from "./leg.ts";
import { Listener } from "./listener.ts";
import { LossReport } from "./loss-report.ts";
import { encodeProxyHeader } from "./proxy-protocol.ts";
import { explainFailure } from "./target.ts";

/** How the relay is to behave; durations in milliseconds, Infinity for never. */
export interface RelaySettings {
  connectTimeout: number;
  maxConnections: number;
  tcpKeepalive: number;
  idleTimeout: number;
  exitIdleTime: number;
  proxyProtocol: "v1" | "v2" | undefined;
  /** Is a line for each connection wanted? Asking for a client's address costs a system call. */
  describeClients: boolean;
}

/**
 * Milliseconds until connections that ask for it are looked at. Most are over by then, and have cost neither timers of their
 * own nor keep-alive probes: a tenth of a short connection's CPU time.
 */
const soon = 500;
/** A connection without a byte for this long is not waited for by a stop. */
const quiet = 500;
/** kqueue may never report a reset of a half-closed connection: one on which nothing moves is closed after this. */
const halfClosedLimit = 3_600_000;

/** Sockets whose clients all go to one target. */
export interface RelayRoute {
  sockets: ListeningSocket[];
  target: Address;
}

/** A route at work. */
interface ActiveRoute {
  target: Address;
  dialer: Dialer;
  listeners: Listener[];
}

/** Accepts clients and connects each with the program: the set of all connections and its limits. Owns the sockets. */
export class Relay implements ConnectionOwner {
  readonly tcpKeepalive: number;
  readonly unsentBytes = unsentBytes;
  readonly setSendBuffer = setSendBuffer;
  readonly setKeepAlive = setKeepAlive;
  /** Resolves when there was no connection for `exitIdleTime`; nothing is accepted from then on. */
  readonly idle: Promise<void>;
  readonly #routes: ActiveRoute[];
  readonly #connections = new Set<Connection>();
  readonly #becameIdle = Promise.withResolvers<void>();
  readonly #losses: LossReport;
  #state: "accepting" | "stopped" = "stopped";
  #sweeper: Timer | undefined;
  #lookout: Timer | undefined;
  #idleTimer: Timer | undefined;

  constructor(
    routes: RelayRoute[],
    readonly settings: RelaySettings,
    readonly log: Log,
  ) {
    this.tcpKeepalive = settings.tcpKeepalive;
    this.idle = this.#becameIdle.promise;
    this.#losses = new LossReport(log);
    this.#routes = routes.map(({ sockets, target }) => {
      const dialer = new Dialer(target, settings.connectTimeout, handlers, log);
      dialer.onChange = () => this.#adjust();
      const route: ActiveRoute = { target, dialer, listeners: [] };
      route.listeners = sockets.map((socket) => {
        const { kind } = socket.address;
        return new Listener(socket, { ...handlers, open: (client) => this.#accepted(client, kind, route) });
      });
      return route;
    });
  }

  /** Was the program ever reached? */
  get reached(): boolean {
    return this.#routes.some(({ dialer }) => dialer.reached);
  }

  /** How many connections there are. */
  get size(): number {
    return this.#connections.size;
  }

  start(): void {
    this.#state = "accepting";
    this.#adjust();
    this.#startIdleTimer();
  }

  /** Newcomers wait in the kernel's queue from now on; connections go on. */
  stopAccepting(): void {
    this.#state = "stopped";
    this.#adjust();
  }

  /** There will be no program to connect to: clients that wait for it are closed. */
  abandonDials(): void {
    for (const { dialer } of this.#routes) dialer.abandon();
  }

  /**
   * Resolves once every connection has ended, has gone quiet or has nothing left to deliver, at the latest after
   * `timeout` milliseconds or when `hurry` is aborted.
   */
  async settle(timeout: number, hurry: AbortSignal): Promise<void> {
    const start = performance.now();
    for (const connection of this.#connections) connection.restartInactivity(start);
    for (let now = start; now - start < timeout && !hurry.aborted; now = performance.now()) {
      if ([...this.#connections].every((connection) => this.#isSettled(connection, now))) return;
      await Bun.sleep(10);
    }
  }

  /** Closes everything that is left. */
  close(): void {
    this.stopAccepting();
    for (const listener of this.#routes.flatMap(({ listeners }) => listeners)) listener.close();
    for (const connection of this.#connections) connection.hangUp("stopped");
    this.#losses.close();
  }

  lookSoon(): void {
    if (this.#lookout !== undefined) return;
    this.#lookout = setTimeout(() => {
      this.#lookout = undefined;
      this.#look();
    }, soon);
    this.#lookout.unref();
  }

  cancelDial(dial: Dial): void {
    dial.dialer.cancel(dial);
  }

  connectionEnded(connection: Connection): void {
    this.#connections.delete(connection);
    const { client, backend, names, outcome } = connection;
    const { undelivered } = backend;
    if (outcome === "upload undelivered") this.#losses.add(undelivered);
    const loss = undelivered > 0 ? `, ${undelivered} bytes undelivered` : "";
    this.log.debug(`${names}: ${client.received} bytes up, ${backend.received} bytes down${loss}, ended ${outcome}`);
    this.#adjust();
    this.#startIdleTimer();
  }

  #accepted(socket: Socket<Leg>, kind: Address["kind"], { target, dialer }: ActiveRoute): void {
    const names = this.settings.describeClients ? `${clientName(socket, kind)} to ${formatAddress(target)}` : "";
    const connection = new Connection(this, names, { client: kind, backend: target.kind });
    socket.data = connection.client;
    clearTimeout(this.#idleTimer);
    this.#connections.add(connection);
    connection.accept(socket, this.#header(socket, kind));
    dialer.dial(
      connection.backend,
      (backend) => connection.connected(backend),
      (reason) => {
        this.log.error(`error connecting to program: ${explainFailure(reason, target)}`);
        connection.giveUp();
      },
    );
    this.#adjust();
    this.#startSweeper();
  }

  /** What the program is to get ahead of the client's first byte. */
  #header(socket: Socket<Leg>, kind: Address["kind"]): Uint8Array | null {
    const { proxyProtocol } = this.settings;
    if (proxyProtocol === undefined) return null;
    return encodeProxyHeader(proxyProtocol, kind === "unix" ? null : socket);
  }

  /** Accepts where there is room and a program to connect to. */
  #adjust(): void {
    const hanging = this.#routes.reduce((sum, { dialer }) => sum + dialer.hanging, 0);
    const room = this.#state === "accepting" && this.#connections.size + hanging / 2 < this.settings.maxConnections;
    for (const { dialer, listeners } of this.#routes) {
      const accepting = room && dialer.open;
      for (const listener of listeners) accepting ? listener.accept() : listener.pause();
    }
  }

  /** The time without a connection starts now. */
  #startIdleTimer(): void {
    const { exitIdleTime } = this.settings;
    if (exitIdleTime === Number.POSITIVE_INFINITY || this.#connections.size > 0 || this.#state === "stopped") return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      this.stopAccepting();
      this.log.info(`no connection for ${exitIdleTime / 1000} s`);
      this.#becameIdle.resolve();
    }, exitIdleTime);
  }

  #startSweeper(): void {
    if (this.#sweeper !== undefined) return;
    const interval = Math.max(50, Math.min(this.settings.idleTimeout, halfClosedLimit) / 8);
    this.#sweeper = setTimeout(() => {
      this.#sweeper = undefined;
      this.#look();
      if (this.#connections.size > 0) this.#startSweeper();
    }, interval);
    this.#sweeper.unref();
  }

  /** Does for each connection what it has to do by now, and closes those on which nothing moves. */
  #look(): void {
    const now = performance.now();
    const { idleTimeout } = this.settings;
    for (const connection of this.#connections) {
      connection.look(now);
      const limit = connection.halfClosed ? Math.min(idleTimeout, halfClosedLimit) : idleTimeout;
      if (!connection.dialing && connection.quietFor(now) >= limit) connection.hangUp("idle");
    }
  }

  #isSettled(connection: Connection, now: number): boolean {
    return connection.delivered || (!connection.pending && connection.quietFor(now) >= quiet);
  }
}

/** What Bun calls for every socket, accepted or connected. */
const handlers: SocketHandler<Leg> = {
  data: ({ data: leg }, chunk) => receive(leg, chunk),
  drain: ({ data: leg }) => leg.drain(),
  end: ({ data: leg }) => leg.end(),
  close: ({ data: leg }, error) => leg.close(error),
  error: (socket, error) => {
    // Only a defect of ours gets here, an error that one of these handlers threw: it ends this connection alone.
    log.error(error);
    socket.terminate();
  },
};

function clientName(socket: Socket<Leg>, kind: Address["kind"]): string {
  // A client that has left already has no address any more.
  const host: string | undefined = socket.remoteAddress;
  return kind === "unix" || host === undefined ? "a client" : formatAddress({ kind, host, port: socket.remotePort });
}
