import type { Socket, SocketHandler } from "bun";
import { type Address, formatAddress } from "../address.ts";
import { type Log, log } from "../log.ts";
import { startProcessorAlarm, stopProcessorAlarm } from "../system/processor-alarm.ts";
import type { ListeningSocket } from "../system/sockets.ts";
import { Clock, type TimeEvent } from "./clock.ts";
import { Connection, type ConnectionOwner, firstTick, idleCheck } from "./connection.ts";
import type { Dial } from "./dial.ts";
import { drain } from "./drain.ts";
import { IdleWatch } from "./idle-watch.ts";
import { kernel } from "./kernel.ts";
import { LossReport } from "./loss-report.ts";
import { encodeProxyHeader } from "./proxy-protocol.ts";
import { Route, type RouteOwner } from "./route.ts";
import type { Side } from "./side.ts";
import { explainFailure, type Target } from "./target.ts";

/** How the relay is to behave; durations in milliseconds, Infinity for never. */
export interface RelaySettings {
  connectTimeout: number;
  maxConnections: number;
  tcpKeepalive: number;
  idleTimeout: number;
  exitIdleTime: number;
  /** Whether connections at rest count as none for that. */
  exitIdleAtRest: boolean;
  proxyProtocol: "v1" | "v2" | undefined;
  /** Whether a line for each connection is wanted. Asking for a client's address costs a system call. */
  describeClients: boolean;
}

/** Sockets whose clients all go to one target. */
export interface RelayRoute {
  sockets: ListeningSocket[];
  target: Target;
}

/** What passes through the relay; bytes are counted from where they came. */
export interface RelayFigures {
  /** Connections that are open, those of them that wait for the program, and those that there were since the start. */
  now: number;
  waiting: number;
  total: number;
  /** Bytes from clients, and from the program. */
  up: number;
  down: number;
  /** Why clients wait, as the end of a sentence about the program; null while none has to. */
  outage: string | null;
}

/** Accepts clients and connects each with the program: the set of all connections and its limits. Owns the sockets. */
export class Relay implements ConnectionOwner, TimeEvent {
  readonly kernel = kernel;
  readonly clock = new Clock();
  appointment: TimeEvent["appointment"] = null;
  /** Resolves when there was no connection, or none but at rest, for `exitIdleTime`; nothing is accepted from then on. */
  readonly idle: Promise<void>;
  readonly #routes: Route[];
  readonly #connections = new Set<Connection>();
  readonly #becameIdle = Promise.withResolvers<void>();
  readonly #targetGone = Promise.withResolvers<Address>();
  /** Resolves with a target whose place is gone. */
  readonly targetGone: Promise<Address> = this.#targetGone.promise;
  readonly #losses: LossReport;
  /** What was, of connections that have ended. */
  readonly #ended = { connections: 0, up: 0, down: 0 };
  #state: "accepting" | "stopped" = "stopped";
  readonly #idleWatch: IdleWatch;

  constructor(
    routes: RelayRoute[],
    readonly limits: RelaySettings,
    readonly log: Log,
  ) {
    this.idle = this.#becameIdle.promise;
    this.#losses = new LossReport(log);
    this.#idleWatch = new IdleWatch(this.#connections, limits, this.clock, () => this.#endIdling());
    const owner: RouteOwner = {
      connectTimeout: limits.connectTimeout,
      handlers,
      log,
      accepted: (client, kind, route) => this.#accepted(client, kind, route),
      changed: () => this.#adjust(),
      targetGone: (address) => this.#targetGone.resolve(address),
    };
    this.#routes = routes.map(({ sockets, target }) => new Route(sockets, target, owner));
  }

  /** Whether the program was ever reached. */
  get reached(): boolean {
    return this.#routes.some(({ dialer }) => dialer.reached);
  }

  /** Which sockets lead where at the moment. */
  get routes(): readonly Readonly<RelayRoute>[] {
    return this.#routes;
  }

  /** How many connections there are. */
  get size(): number {
    return this.#connections.size;
  }

  /** Counted when asked for: connections that are open cost nothing until then. */
  get figures(): RelayFigures {
    let { connections: total, up, down } = this.#ended;
    let waiting = 0;
    for (const connection of this.#connections) {
      total++;
      up += connection.up.received;
      down += connection.down.received;
      if (connection.dialing) waiting++;
    }
    const outage = this.#routes.map(({ dialer }) => dialer.outage).find((reason) => reason !== null) ?? null;
    return { now: this.#connections.size, waiting, total, up, down, outage };
  }

  start(): void {
    this.#state = "accepting";
    startProcessorAlarm(this.#probe);
    this.#adjust();
    this.#idleWatch.restart();
  }

  /** New connections wait in the kernel's queue from now on; others go on. */
  stopAccepting(): void {
    this.#state = "stopped";
    this.#adjust();
  }

  /** New connections go to `targets` from now on, one for each route, and so do those that wait to be connected. */
  switchTo(targets: readonly Target[]): void {
    for (const [index, route] of this.#routes.entries()) route.switchTo(targets[index] ?? route.target);
    this.#adjust();
  }

  /** The connections that a server at one of `targets` still has. */
  connectionsTo(targets: readonly Target[]): Connection[] {
    return [...this.#connections].filter(
      ({ target, backend }) => target !== null && targets.includes(target) && !backend.closed && backend.dial === null,
    );
  }

  /**
   * The program that serves `targets` has crashed: its answers that are still on their way are cut off, and must not look whole. Clients
   * that still wait to be connected have nothing of it.
   */
  programCrashed(targets: readonly Target[]): void {
    for (const connection of this.#connections) {
      const { target, dialing } = connection;
      if (target !== null && !dialing && targets.includes(target)) connection.programCrashed();
    }
  }

  /** There will be no program to connect to: clients that wait for it are closed. */
  abandonDials(): void {
    for (const { dialer } of this.#routes) dialer.abandon();
  }

  /** As drain.ts has it, for all connections. */
  drain(timeout: number, force: AbortSignal): Promise<void> {
    return drain(this.#connections, timeout, force);
  }

  /** Closes everything that is left. */
  close(): void {
    this.stopAccepting();
    stopProcessorAlarm(this.#probe);
    for (const route of this.#routes) route.close();
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
    this.#ended.connections++;
    this.#ended.up += up.received;
    this.#ended.down += down.received;
    if (outcome === "upload undelivered") this.#losses.add(up.undelivered);
    const loss = up.undelivered > 0 ? `, ${up.undelivered} bytes undelivered` : "";
    const place = connection.target && formatAddress(connection.target.address);
    this.log.debug(
      `${label} to ${place}: ${up.received} bytes up, ${down.received} bytes down${loss}, ended ${outcome}`,
    );
    this.#adjust();
    if (this.#state === "accepting") this.#idleWatch.restart();
  }

  #accepted(socket: Socket<Side>, kind: Address["kind"], route: Route): void {
    const label = this.limits.describeClients ? clientName(socket, kind) : "";
    const connection = new Connection(this, label, { client: kind, backend: route.target.address.kind });
    connection.target = route.target;
    socket.data = connection.client;
    this.#connections.add(connection);
    this.#idleWatch.restart();
    connection.accept(socket, this.#header(socket, kind));
    // The route's target may be another by the time that it is reached.
    route.dialer.dial(
      connection.backend,
      (backend) => {
        connection.target = route.target;
        connection.connected(backend);
      },
      (reason) => {
        this.log.error(`error connecting to program: ${explainFailure(reason, route.target.address)}`);
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
    for (const route of this.#routes) route.adjust(room);
  }

  /** Whether the listeners can accept, which only using processor time for nothing would tell. */
  readonly #probe = (): void => {
    for (const route of this.#routes) route.probe();
  };

  /** There was no use for long enough. Accepting goes on if a connection is not at rest any more when it is looked at for the last time. */
  #endIdling(): void {
    if (this.#state === "stopped") return;
    const { size } = this;
    this.stopAccepting();
    if (!this.#idleWatch.closeAll()) return this.start();
    this.log.info(this.#idleWatch.describe(size));
    this.#becameIdle.resolve();
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
