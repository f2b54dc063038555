import type { Socket, SocketHandler } from "bun";
import { type Address, formatAddress } from "../address.ts";
import { type Log, log } from "../log.ts";
import type { ListeningSocket } from "../system/sockets.ts";
import { Clock, type TimeEvent } from "./clock.ts";
import { Connection, type ConnectionOwner, firstTick, idleCheck } from "./connection.ts";
import { type Dial, Dialer } from "./dial.ts";
import { Inactivity } from "./inactivity.ts";
import { kernel } from "./kernel.ts";
import { Listener } from "./listener.ts";
import { LossReport } from "./loss-report.ts";
import { encodeProxyHeader } from "./proxy-protocol.ts";
import type { Side } from "./side.ts";
import { explainFailure } from "./target.ts";

/** How the relay is to behave; durations in milliseconds, Infinity for never. */
export interface RelaySettings {
  connectTimeout: number;
  maxConnections: number;
  tcpKeepalive: number;
  idleTimeout: number;
  exitIdleTime: number;
  proxyProtocol: "v1" | "v2" | undefined;
  /** Whether a line for each connection is wanted. Asking for a client's address costs a system call. */
  describeClients: boolean;
}

/** A connection without a byte for so many milliseconds is not waited for by a stop. */
const quietLimit = 500;

/** Sockets whose clients all go to one target. */
export interface RelayRoute {
  sockets: ListeningSocket[];
  target: Address;
  /** Whether the place of the target's socket is gone for good, so that no server can be reached there any more. */
  isGone(): boolean;
}

/** A route at work. */
interface ActiveRoute {
  target: Address;
  dialer: Dialer<Side>;
  listeners: Listener[];
}

/** Accepts clients and connects each with the program: the set of all connections and its limits. Owns the sockets. */
export class Relay implements ConnectionOwner, TimeEvent {
  readonly kernel = kernel;
  readonly clock = new Clock();
  appointment: TimeEvent["appointment"] = null;
  /** Whether the program that serves the targets has crashed; asked when a Unix backend ends. */
  hasCrashed: () => boolean = () => false;
  /** Resolves when there was no connection for `exitIdleTime`; nothing is accepted from then on. */
  readonly idle: Promise<void>;
  readonly #routes: ActiveRoute[];
  readonly #connections = new Set<Connection>();
  readonly #becameIdle = Promise.withResolvers<void>();
  readonly #targetGone = Promise.withResolvers<Address>();
  /** Resolves with a target that was reached before and whose place is gone. */
  readonly targetGone: Promise<Address> = this.#targetGone.promise;
  readonly #losses: LossReport;
  #state: "accepting" | "stopped" = "stopped";
  #idleTimer: Timer | undefined;

  constructor(
    routes: RelayRoute[],
    readonly limits: RelaySettings,
    readonly log: Log,
  ) {
    this.idle = this.#becameIdle.promise;
    this.#losses = new LossReport(log);
    this.#routes = routes.map(({ sockets, target, isGone }) => {
      const dialer = new Dialer<Side>(target, limits.connectTimeout, handlers, log);
      dialer.onChange = () => this.#adjust();
      dialer.onMissing = () => {
        if (isGone()) this.#targetGone.resolve(target);
      };
      const route: ActiveRoute = { target, dialer, listeners: [] };
      route.listeners = sockets.map((socket) => {
        const { kind } = socket.address;
        return new Listener(socket, { ...handlers, open: (client) => this.#accepted(client, kind, route) });
      });
      return route;
    });
  }

  /** Whether the program was ever reached. */
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

  /** New connections wait in the kernel's queue from now on; others go on. */
  stopAccepting(): void {
    this.#state = "stopped";
    this.#adjust();
  }

  /** The program has crashed: answers that are still on their way are cut off, and must not look whole. */
  programCrashed(): void {
    for (const connection of this.#connections) connection.programCrashed();
  }

  /** There will be no program to connect to: clients that wait for it are closed. */
  abandonDials(): void {
    for (const { dialer } of this.#routes) dialer.abandon();
  }

  /**
   * Resolves once every connection has ended, has gone quiet or has nothing left to deliver, at the latest after
   * `timeout` milliseconds or when `force` is aborted.
   */
  async drain(timeout: number, force: AbortSignal): Promise<void> {
    const start = performance.now();
    const quiet = new Map([...this.#connections].map((connection) => [connection, new Inactivity()]));
    const isDrained = (connection: Connection, now: number) => {
      const quietFor = quiet.get(connection)?.lasting(now, connection.moved) ?? 0;
      return connection.delivered || (!connection.pending && quietFor >= quietLimit);
    };
    for (let now = start; now - start < timeout && !force.aborted; now = performance.now()) {
      if ([...this.#connections].every((connection) => isDrained(connection, now))) return;
      await Bun.sleep(10);
    }
  }

  /** Closes everything that is left. */
  close(): void {
    this.stopAccepting();
    for (const listener of this.#routes.flatMap(({ listeners }) => listeners)) listener.close();
    for (const connection of this.#connections) connection.close("stopped");
    this.#losses.close();
    this.clock.stop();
  }

  tickSoon(): void {
    if (this.appointment === null) this.clock.schedule(this, Math.min(firstTick, idleCheck(this.limits.idleTimeout)));
  }

  /** Looks at the connections that are new: the others have appointments of their own. */
  tick(now: number): number {
    for (const connection of this.#connections) {
      if (connection.appointment === null) this.clock.schedule(connection, connection.tick(now));
    }
    return Number.POSITIVE_INFINITY;
  }

  cancelDial(dial: Dial<Side>): void {
    dial.dialer.cancel(dial);
  }

  connectionEnded(connection: Connection): void {
    this.#connections.delete(connection);
    const { up, down, label, outcome } = connection;
    if (outcome === "upload undelivered") this.#losses.add(up.undelivered);
    const loss = up.undelivered > 0 ? `, ${up.undelivered} bytes undelivered` : "";
    this.log.debug(`${label}: ${up.received} bytes up, ${down.received} bytes down${loss}, ended ${outcome}`);
    this.#adjust();
    this.#startIdleTimer();
  }

  #accepted(socket: Socket<Side>, kind: Address["kind"], { target, dialer }: ActiveRoute): void {
    const label = this.limits.describeClients ? `${clientName(socket, kind)} to ${formatAddress(target)}` : "";
    const connection = new Connection(this, label, { client: kind, backend: target.kind });
    socket.data = connection.client;
    clearTimeout(this.#idleTimer);
    this.#connections.add(connection);
    connection.accept(socket, this.#header(socket, kind));
    dialer.dial(
      connection.backend,
      (backend) => connection.connected(backend),
      (reason) => {
        this.log.error(`error connecting to program: ${explainFailure(reason, target)}`);
        connection.connectFailed();
      },
    );
    this.#adjust();
  }

  /** What the program is to get ahead of the client's first byte. */
  #header(socket: Socket<Side>, kind: Address["kind"]): Uint8Array | null {
    const { proxyProtocol } = this.limits;
    if (proxyProtocol === undefined) return null;
    return encodeProxyHeader(proxyProtocol, kind === "unix" ? null : socket);
  }

  /** Accepts where there is room and a program to connect to. */
  #adjust(): void {
    const orphaned = this.#routes.reduce((sum, { dialer }) => sum + dialer.orphaned, 0);
    const room = this.#state === "accepting" && this.#connections.size + orphaned / 2 < this.limits.maxConnections;
    for (const { dialer, listeners } of this.#routes) {
      const accepting = room && dialer.open;
      for (const listener of listeners) accepting ? listener.accept() : listener.pause();
    }
  }

  /** The time without a connection starts now. */
  #startIdleTimer(): void {
    const { exitIdleTime } = this.limits;
    if (exitIdleTime === Number.POSITIVE_INFINITY || this.#connections.size > 0 || this.#state === "stopped") return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      this.stopAccepting();
      this.log.info(`no connection for ${exitIdleTime / 1000} s`);
      this.#becameIdle.resolve();
    }, exitIdleTime);
  }
}

/** What Bun calls for every socket, accepted or connected. */
const handlers: SocketHandler<Side> = {
  data: ({ data: side }, chunk) => side.receive(chunk),
  drain: ({ data: side }) => side.outbound.flush(),
  end: ({ data: side }) => side.end(),
  close: ({ data: side }, error) => side.socketClosed(error),
  error: (socket, error) => {
    // Only a defect of ours gets here, an error that one of these handlers threw: it ends this connection alone.
    log.error(error);
    socket.terminate();
  },
};

function clientName(socket: Socket<Side>, kind: Address["kind"]): string {
  // A client that has left already has no address any more.
  const host: string | undefined = socket.remoteAddress;
  return kind === "unix" || host === undefined ? "a client" : formatAddress({ kind, host, port: socket.remotePort });
}
