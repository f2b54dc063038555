import { log } from "../../src/log.ts";
import type { Connection, ConnectionOwner } from "../../src/proxy/connection.ts";
import { type Dial, Dialer } from "../../src/proxy/dial.ts";
import type { Leg } from "../../src/proxy/leg.ts";
import type { Peer } from "../../src/proxy/peer.ts";
import { byteAt, bytesFrom } from "./stream.ts";

/**
 * A socket played by a test: it takes as much as it is told to and remembers what was asked of it. It throws at what must
 * never be asked: a write or a second end behind an end, and bytes in the wrong order.
 */
export class ScriptedPeer implements Peer {
  static #descriptors = 1_000;
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
  paused = false;
  /** Each silence after which it was to be probed, in milliseconds. */
  keepAlive: number[] = [];
  /** Each size that its send buffer was set to. */
  sendBuffers: number[] = [];
  state: "open" | "shut" | "ended" | "reset" | "gone" = "open";
  /** What was sent to the leg by `data`. */
  delivered = 0;
  leg: Leg | null = null;
  faults: Error[] = [];
  /** Called inside `end` and `terminate`, where Bun calls its close handler. */
  onClose: () => void = () => {};
  /** Called whenever the peer's state is about to change, for a model's own checks. */
  beforeChange: (call: "shutdown" | "end" | "terminate") => void = () => {};

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

  /** Sends the leg the next `length` bytes. */
  data(length: number): void {
    const chunk = bytesFrom(this.delivered, length);
    this.delivered += length;
    this.leg?.receive(chunk);
  }

  /** The socket closes by itself. */
  close(error?: Error): void {
    if (this.state === "open" || this.state === "shut") this.state = "gone";
    this.leg?.close(error);
  }

  /** Takes `room` bytes more, and says so. */
  take(room: number): void {
    this.room += room;
    this.leg?.drain();
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

/** Looks at legs half a second after one of them has asked for it. */
export class Lookout {
  #timer: Timer | undefined;

  constructor(readonly legs: () => Iterable<Leg | null>) {}

  lookSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const leg of this.legs()) leg?.look(performance.now());
    }, 500);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** A relay of scripted peers: what it is told is remembered. */
export class ScriptedOwner implements ConnectionOwner {
  readonly ended: Connection[] = [];
  readonly cancelled: Dial[] = [];
  readonly peers = new Map<number, ScriptedPeer>();
  readonly tcpKeepalive = 60_000;
  readonly #lookout = new Lookout(() => [...this.peers.values()].map(({ leg }) => leg));

  get faults(): Error[] {
    return [...this.peers.values()].flatMap(({ faults }) => faults);
  }

  lookSoon(): void {
    this.#lookout.lookSoon();
  }

  unsentBytes(fd: number): number {
    return this.peers.get(fd)?.unsent ?? 0;
  }

  setSendBuffer(fd: number, bytes: number): void {
    this.peers.get(fd)?.sendBuffers.push(bytes);
  }

  setKeepAlive(fd: number, idle: number): void {
    this.peers.get(fd)?.keepAlive.push(idle);
  }

  cancelDial(dial: Dial): void {
    this.cancelled.push(dial);
    dial.leg.dial = null;
  }

  connectionEnded(connection: Connection): void {
    this.ended.push(connection);
    this.#lookout.stop();
  }

  /** A new peer that speaks to `leg`. */
  peer(leg: Leg): ScriptedPeer {
    const peer = new ScriptedPeer();
    peer.leg = leg;
    this.peers.set(peer.fd, peer);
    return peer;
  }
}

/** A dial for `leg` which is under way and whose result the test decides. */
export function pendingDial(leg: Leg): Dial {
  const nothing = () => {};
  return {
    dialer: new Dialer({ kind: "unix", path: "/nonexistent" }, Number.POSITIVE_INFINITY, { data: nothing }, log),
    leg,
    connected: nothing,
    failed: nothing,
    order: 0,
    deadline: Number.POSITIVE_INFINITY,
    tried: 0,
    reason: "",
  };
}
