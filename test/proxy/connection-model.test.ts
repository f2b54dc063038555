import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import fc from "fast-check";
import { Connection } from "../../src/proxy/connection.ts";
import type { Side } from "../../src/proxy/side.ts";
import { pendingDial, reset, ScriptedOwner, type ScriptedPeer } from "../support/scripted-peer.ts";
import { seed } from "../support/seed.ts";

/**
 * Random events at a connection, in orders that Linux and macOS produce and in worse ones, against the rules that hold
 * whatever happens: see `Model`.
 */

type Role = "client" | "backend";
type Event =
  | { kind: "data"; side: Role; length: number }
  | { kind: "end" | "drain" | "dead" | "vanish"; side: Role }
  | { kind: "close"; side: Role; error: boolean }
  | { kind: "room"; side: Role; bytes: number }
  | { kind: "kernel"; side: Role; unsent: number }
  | { kind: "wait"; milliseconds: number }
  | { kind: "connect" | "fail" | "closeAll" };

/** How long a reset waits while nothing is acknowledged. */
const deliveryLimit = 60_000;

/** A connection between two scripted peers, and what must be true of it. */
class Model {
  readonly owner = new ScriptedOwner();
  readonly connection: Connection;
  readonly peers: Partial<Record<Role, ScriptedPeer>> = {};
  /** How each peer's data ended, as the peer itself knows it. */
  readonly ends: Record<Role, "open" | "ended" | "reset"> = { client: "open", backend: "open" };
  /** When the client's kernel took or acknowledged something for the last time. */
  stillSince = performance.now();
  #acknowledged = 0;
  closedAll = false;
  failed = false;
  violation: unknown;

  constructor(
    kinds: { client: "tcp" | "unix"; backend: "tcp" | "unix" },
    readonly room: number,
    readonly atOnce: number,
    /** When Bun calls `close` for a socket that was closed by us: inside the call, or never. */
    readonly closing: "at once" | "with an error" | "never",
  ) {
    this.connection = new Connection(this.owner, "", kinds);
    this.connection.backend.dial = pendingDial(this.connection.backend);
    this.connection.accept(this.peer("client"), null);
  }

  side(role: Role): Side {
    return this.connection[role];
  }

  peer(side: Role): ScriptedPeer {
    const played = this.side(side);
    const peer = this.owner.peer(played);
    peer.room = this.room;
    peer.atOnce = this.atOnce;
    peer.onClose = () => {
      if (this.closing !== "never") played.socketClosed(this.closing === "with an error" ? reset : undefined);
    };
    peer.beforeChange = (call) => {
      try {
        this.check(side, peer, call);
      } catch (error) {
        // A timer would swallow it.
        this.violation ??= error;
      }
    };
    this.peers[side] = peer;
    return peer;
  }

  /** Throws unless this change of a peer's state is allowed now. */
  check(side: Role, peer: ScriptedPeer, call: "shutdown" | "end" | "terminate"): void {
    if (this.closedAll || this.failed || peer.dead !== null || peer.vanished) return;
    const other = side === "client" ? "backend" : "client";
    const received = this.peers[other]?.delivered ?? 0;
    const whole = peer.written === received;
    const lost = side === "client" ? peer.delivered - (this.peers.backend?.written ?? 0) : 0;
    if (call === "terminate") {
      if (this.ends[other] !== "reset" && lost === 0) throw new Error(`the ${side} was reset for no reason`);
      if (side === "backend") return;
      const waited = performance.now() - this.stillSince >= deliveryLimit;
      if (!waited && Math.min(peer.unsent, peer.written) > 0)
        throw new Error("the client was reset while data was on its way");
      if (!waited && !whole) throw new Error("the client was reset before its data");
    } else if (this.ends[other] === "open" && !(this.ends[side] !== "open" && this.peers[other]?.state === "gone")) {
      throw new Error(`${call} of the ${side}, whose other side has not ended`);
    } else if (!whole) {
      throw new Error(`${call} of the ${side} before all was written: ${peer.written} of ${received}`);
    } else if (side === "client" && this.ends[other] === "reset") {
      throw new Error(`${call} of the client whose backend was reset: its answer looks whole`);
    } else if (side === "client" && lost > 0 && this.peers[other]?.state !== "open") {
      const answered = (this.peers[other]?.delivered ?? 0) > 0;
      const endedLater = call === "end" && answered && peer.state === "shut" && this.ends.client === "ended";
      const goesOn = call === "shutdown" && answered && this.ends.client === "open";
      if (!endedLater && !goesOn) throw new Error(`${call} of the client, ${lost} bytes of whose upload are lost`);
    }
  }

  apply(event: Event): void {
    this.#apply(event);
    const { client } = this.peers;
    const acknowledged = client === undefined ? 0 : client.written - client.unsent;
    if (acknowledged === this.#acknowledged) return;
    [this.#acknowledged, this.stillSince] = [acknowledged, performance.now()];
  }

  #apply(event: Event): void {
    switch (event.kind) {
      case "wait":
        jest.advanceTimersByTime(event.milliseconds);
        return;
      case "connect":
        if (!this.connection.dialing) return;
        this.connection.backend.dial = null;
        return this.connection.connected(this.peer("backend"));
      case "fail":
        if (!this.connection.dialing) return;
        this.connection.backend.dial = null;
        this.failed = true;
        return this.connection.connectFailed();
      case "closeAll":
        this.closedAll = true;
        return this.connection.close("idle");
    }
    const peer = this.peers[event.side];
    if (peer === undefined) return;
    const gone = !["open", "shut"].includes(peer.state);
    if (event.kind === "end") {
      // `end` may come twice, and behind the close; but it stands for what the peer had sent before that.
      if (this.ends[event.side] === "open" && !gone) this.ends[event.side] = "ended";
      return this.side(event.side).end();
    }
    if (gone) {
      // A second close, or the one that belongs to our own end, changes nothing any more.
      if (event.kind === "close") this.side(event.side).socketClosed(event.error ? reset : undefined);
      return;
    }
    switch (event.kind) {
      case "data":
        // Data comes although paused (a reset socket's tail on macOS), but never behind its end.
        if (this.ends[event.side] === "open") peer.data(event.length);
        return;
      case "drain":
        return this.side(event.side).outbound.flush();
      case "dead":
        peer.dead = -1;
        return this.side(event.side).outbound.flush();
      case "vanish":
        // On macOS nothing tells of a Unix peer that goes after its end.
        peer.vanished = this.side(event.side).kind === "unix" && this.ends[event.side] === "ended";
        return;
      case "room":
        return peer.take(event.bytes);
      case "kernel":
        peer.unsent = event.unsent;
        return;
      case "close": {
        const isReset = event.error && this.side(event.side).kind === "tcp" && this.ends[event.side] === "open";
        if (this.ends[event.side] === "open") this.ends[event.side] = isReset ? "reset" : "ended";
        return peer.close(event.error ? reset : undefined);
      }
    }
  }

  /** Everything gets better: peers take all, end if nobody holds them back, and time goes by. */
  settle(): void {
    if (this.connection.dialing) this.apply({ kind: "connect" });
    for (let round = 0; round < 4; round++) {
      for (const side of ["client", "backend"] as const) {
        const peer = this.peers[side];
        if (peer === undefined || !["open", "shut"].includes(peer.state)) continue;
        peer.unsent = 0;
        peer.room = Number.POSITIVE_INFINITY;
        // Each drain makes room for one more bite.
        for (let bites = 0; bites < 1_000 && this.side(side).outbound.pending; bites++)
          this.side(side).outbound.flush();
        this.side(side).outbound.flush();
      }
      for (const side of ["client", "backend"] as const) {
        const peer = this.peers[side];
        if (peer === undefined || !["open", "shut"].includes(peer.state)) continue;
        expect([side, "paused", peer.paused]).toEqual([side, "paused", false]);
        this.apply({ kind: "end", side });
      }
      jest.advanceTimersByTime(100);
    }
    jest.advanceTimersByTime(60_000);
    for (const side of ["client", "backend"] as const) {
      const peer = this.peers[side];
      if (peer === undefined) continue;
      expect([side, peer.state]).not.toEqual([side, "open"]);
      expect([side, peer.state]).not.toEqual([side, "shut"]);
    }
    expect(this.owner.ended.length).toBe(1);
    expect(this.connection.dialing).toBe(false);
    expect(jest.getTimerCount()).toBe(0);
  }
}

const side = fc.constantFrom<Role>("client", "backend");
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("data" as const), side, length: fc.integer({ min: 1, max: 40_000 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("room" as const), side, bytes: fc.integer({ min: 1, max: 40_000 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("end" as const, "drain" as const), side }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("dead" as const, "vanish" as const), side }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("close" as const), side, error: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("kernel" as const), side, unsent: fc.constantFrom(0, 1, 50_000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), milliseconds: fc.constantFrom(1, 300, 6_000, 20_000) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("connect" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("fail" as const, "closeAll" as const) }) },
);

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.clearAllTimers();
  jest.useRealTimers();
});

test("whatever happens in whatever order, each direction ends once, all bytes arrive in order or a reset says that they did not, and both sockets are closed", () => {
  const kind = fc.constantFrom("tcp" as const, "unix" as const);
  fc.assert(
    fc.property(
      fc.record({ client: kind, backend: kind }),
      fc.constantFrom(0, 100, 8_192, 100_000, Number.POSITIVE_INFINITY),
      fc.constantFrom(8_192, Number.POSITIVE_INFINITY),
      fc.constantFrom("at once" as const, "with an error" as const, "never" as const),
      fc.array(event, { maxLength: 30 }),
      (kinds, room, atOnce, closing, events) => {
        jest.clearAllTimers();
        const model = new Model(kinds, room, atOnce, closing);
        for (const event of events) model.apply(event);
        model.settle();
        for (const fault of [model.violation, ...model.owner.faults]) if (fault !== undefined) throw fault;
      },
    ),
    { seed, numRuns: Number(process.env.RUNS ?? 3_000), includeErrorInReport: true },
  );
});
