import { log } from "../../src/log.ts";
import { Clock } from "../../src/proxy/clock.ts";
import { Connection, type ConnectionOwner, firstTick } from "../../src/proxy/connection.ts";
import { type Dial, Dialer } from "../../src/proxy/dial.ts";
import type { Kernel } from "../../src/proxy/kernel.ts";
import type { Peer } from "../../src/proxy/peer.ts";
import type { Side } from "../../src/proxy/side.ts";
import type { Target } from "../../src/proxy/target.ts";
import { byteAt, bytesFrom } from "./stream.ts";

/**
 * A socket played by a test: it takes as much as it is told to and remembers what was asked of it. It throws at what must
 * never be asked: a write or a second end behind an end, and bytes in the wrong order.
 */
export class ScriptedPeer implements Peer {
  static #descriptors = 1_000;
  remoteAddress: string | undefined = "127.0.0.1";
  readonly fd = ScriptedPeer.#descriptors++;
  /** Everything asked of this peer, in order, without the writes. */
  readonly calls: string[] = [];
  /** How many bytes it takes yet, and how many at one time (macOS takes 8,192 on a Unix socket). */
  room = Number.POSITIVE_INFINITY;
  atOnce = Number.POSITIVE_INFINITY;
  /** A dead peer's `write` returns this; null for a living one. */
  dead: number | null = null;
  /** What the played kernel has taken from us, and how much of that its peer has not. */
  written = 0;
  unsent = 0;
  /** What it has sent and nobody has read. */
  unread = 0;
  paused = false;
  /** Each silence after which it was to be probed, in milliseconds. */
  keepAlive: number[] = [];
  /** Each size that its send buffer was set to. */
  sendBuffers: number[] = [];
  state: "open" | "shut" | "ended" | "reset" | "gone" = "open";
  /** What was sent to the side by `data`. */
  delivered = 0;
  faults: Error[] = [];
  /** Each size that its receive buffer was set to. */
  receiveBuffers: number[] = [];
  /** Milliseconds for which its kernel has answered nothing. */
  unanswered = 0;
  /** Whether it has gone, without any event that tells so. */
  vanished = false;
  /** Called inside `end` and `terminate`, where Bun calls its close handler. */
  onClose: () => void = () => {};
  /** Called whenever the peer's state is about to change, for a model's own checks. */
  beforeChange: (call: "shutdown" | "end" | "terminate") => void = () => {};

  constructor(readonly side: Side) {}

  write(data: Uint8Array): number {
    if (this.state !== "open") throw this.#fault(`a write behind ${this.calls.join(", ") || this.state}`);
    if (this.dead !== null) return this.dead;
    const count = Math.min(data.length, this.room, this.atOnce);
    for (let index = 0; index < count; index++) {
      if (data[index] !== byteAt(this.written + index)) throw this.#fault(`a wrong byte at ${this.written + index}`);
    }
    this.room -= count;
    this.written += count;
    return count;
  }

  shutdown(): void {
    this.#change("shutdown", ["open"], "shut");
  }

  end(): void {
    this.#change("end", ["open", "shut"], "ended");
    this.onClose();
  }

  terminate(): void {
    this.#change("terminate", ["open", "shut"], "reset");
    this.onClose();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  /** Sends the side the next `length` bytes. */
  data(length: number): void {
    const chunk = bytesFrom(this.delivered, length);
    this.delivered += length;
    this.side.receive(chunk);
  }

  /** The socket closes, unasked. */
  close(error?: Error): void {
    if (this.state === "open" || this.state === "shut") this.state = "gone";
    this.side.socketClosed(error);
  }

  /** Takes `room` bytes more, and says so. */
  take(room: number): void {
    this.room += room;
    this.side.outbound.flush();
  }

  #change(call: "shutdown" | "end" | "terminate", allowed: string[], state: ScriptedPeer["state"]): void {
    this.beforeChange(call);
    this.calls.push(call);
    if (!allowed.includes(this.state)) throw this.#fault(`${this.calls.join(", ")} of a socket that is ${this.state}`);
    this.state = state;
  }

  /** An error thrown in a timer is seen by nobody: it is kept too. */
  #fault(message: string): Error {
    const fault = new Error(message);
    this.faults.push(fault);
    return fault;
  }
}

export const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });

/** A relay of scripted peers: what it is told is remembered. */
export class ScriptedOwner implements ConnectionOwner {
  readonly ended: Connection[] = [];
  readonly cancelled: Dial<Side>[] = [];
  readonly peers = new Map<number, ScriptedPeer>();
  readonly clock = new Clock();
  readonly kernel: Kernel = {
    growReceiveBuffer: (fd, bytes) => void this.peers.get(fd)?.receiveBuffers.push(bytes),
    largeChunkRead: () => {},
    isDisconnected: (fd) => this.peers.get(fd)?.vanished ?? false,
    offeredWindow: () => 0,
    readableBytes: (fd) => this.peers.get(fd)?.unread ?? 0,
    receiveInto: () => 0,
    sendRoom: () => Number.POSITIVE_INFINITY,
    setKeepAlive: (fd, idle) => void this.peers.get(fd)?.keepAlive.push(idle),
    setReceiveBuffer: (fd, bytes) => void this.peers.get(fd)?.receiveBuffers.push(bytes),
    // A second time is ENOTCONN on macOS (soshutdownlock_final in xnu's bsd/kern/uipc_socket.c).
    shutDownIfRead: (fd) => this.peers.get(fd)?.unread === 0 && this.peers.get(fd)?.state === "open",
    unansweredFor: (fd) => this.peers.get(fd)?.unanswered ?? 0,
    setSendBuffer: (fd, bytes) => void this.peers.get(fd)?.sendBuffers.push(bytes),
    unsentBytes: (fd) => this.peers.get(fd)?.unsent ?? 0,
  };

  constructor(readonly limits = { tcpKeepalive: 60_000, idleTimeout: Number.POSITIVE_INFINITY }) {}

  get faults(): Error[] {
    return [...this.peers.values()].flatMap(({ faults }) => faults);
  }

  tickSoon(): void {
    for (const { side } of this.peers.values()) this.clock.schedule(side.owner as Connection, firstTick);
  }

  /** Whether the program has crashed. */
  crashed = false;
  readonly target: Target = {
    address: { kind: "unix", path: "/nonexistent" },
    isGone: () => false,
    hasCrashed: () => this.crashed,
  };

  cancelDial(dial: Dial<Side>): void {
    this.cancelled.push(dial);
    dial.side.dial = null;
  }

  connectionEnded(connection: Connection): void {
    this.ended.push(connection);
    this.clock.stop();
  }

  /** A new peer that speaks to `side`. */
  peer(side: Side): ScriptedPeer {
    const peer = new ScriptedPeer(side);
    this.peers.set(peer.fd, peer);
    return peer;
  }
}

/** A dial for `side` which is under way and whose result the test decides. */
export function pendingDial(side: Side): Dial<Side> {
  const nothing = () => {};
  return {
    dialer: new Dialer({ kind: "unix", path: "/nonexistent" }, Number.POSITIVE_INFINITY, { data: nothing }, log),
    side,
    connected: nothing,
    failed: nothing,
    order: 0,
    deadline: Number.POSITIVE_INFINITY,
    tried: 0,
    reason: "",
  };
}

/** A connection between two scripted peers; `told` is what it was told of its sides. */
export function connectionOf(
  kinds: { client?: "tcp" | "unix"; backend?: "tcp" | "unix" } = {},
  { connected = true, tcpKeepalive = 60_000 } = {},
) {
  const owner = new ScriptedOwner({ tcpKeepalive, idleTimeout: Number.POSITIVE_INFINITY });
  const connection = new Connection(owner, "", { client: "tcp", backend: "tcp", ...kinds });
  connection.target = owner.target;
  const { client, backend, up, down } = connection;
  const told: string[] = [];
  connection.sideClosed = (side) => {
    told.push(`${side.role} closed`);
    Connection.prototype.sideClosed.call(connection, side);
  };
  connection.wasReset = (side) => {
    told.push(`${side.role} reset`);
    Connection.prototype.wasReset.call(connection, side);
  };
  connection.willReset = (side) => {
    Connection.prototype.willReset.call(connection, side);
    if (connection.outcome === "upload undelivered") told.push("upload lost");
  };
  const clientPeer = owner.peer(client);
  const backendPeer = owner.peer(backend);
  connection.accept(clientPeer, null);
  if (connected) connection.connected(backendPeer);
  return { owner, connection, client, backend, up, down, clientPeer, backendPeer, told };
}
