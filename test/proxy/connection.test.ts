import { describe, expect, test } from "bun:test";
import { Connection } from "../../src/proxy/connection.ts";
import { connectionOf, pendingDial, reset, ScriptedOwner } from "../support/scripted-peer.ts";

/** A connection whose client was accepted and whose backend is being dialled. */
function accepted(kinds: { client: "tcp" | "unix"; backend: "tcp" | "unix" } = { client: "tcp", backend: "tcp" }) {
  const owner = new ScriptedOwner();
  const connection = new Connection(owner, "192.0.2.1:5000", kinds);
  const clientPeer = owner.peer(connection.client);
  const dial = pendingDial(connection.backend);
  connection.backend.dial = dial;
  connection.accept(clientPeer, null);
  const connect = () => {
    connection.backend.dial = null;
    const peer = owner.peer(connection.backend);
    connection.connected(peer);
    return peer;
  };
  return { owner, connection, clientPeer, dial, connect };
}

test("little of a client is kept before its backend is reached, and all of that is delivered", () => {
  const { connection, clientPeer, connect } = accepted();
  clientPeer.data(65_535);
  expect([clientPeer.paused, connection.dialing, connection.pending]).toEqual([false, true, true]);
  clientPeer.data(1);
  expect(clientPeer.paused).toBe(true);
  expect(connect().written).toBe(65_536);
  expect([clientPeer.paused, connection.dialing, connection.pending]).toEqual([false, false, false]);
});

test("a client that resets while it waits takes its dial back, and the connection ends once", () => {
  const { owner, connection, clientPeer, dial } = accepted();
  clientPeer.close(reset);
  expect([owner.cancelled, owner.ended]).toEqual([[dial], [connection]]);
  expect(connection.outcome).toBe("reset by the client");
});

test("a client that leaves in order while it waits still has its data delivered", () => {
  const { owner, connection, clientPeer, connect } = accepted();
  clientPeer.data(100);
  connection.client.end();
  clientPeer.close();
  expect([owner.cancelled, owner.ended]).toEqual([[], []]);
  const backendPeer = connect();
  expect([backendPeer.written, backendPeer.calls]).toEqual([100, ["end"]]);
  expect(owner.ended).toEqual([connection]);
});

test("a client whose backend cannot be reached is closed", () => {
  const { owner, connection, clientPeer } = accepted();
  connection.backend.dial = null;
  connection.connectFailed();
  expect([clientPeer.calls, owner.ended, connection.outcome]).toEqual([["end"], [connection], "not connected"]);
});

test("a client that no server is found for, and whose bytes were taken, is reset", () => {
  const { owner, connection, clientPeer } = connectionOf({}, { connected: false });
  clientPeer.data(10);
  connection.connectFailed();
  expect([clientPeer.calls, owner.ended, connection.outcome]).toEqual([["terminate"], [connection], "not connected"]);
});

test("the first cause of an end is the one that is told", () => {
  const { connection, connect, clientPeer } = accepted();
  clientPeer.unsent = 10;
  connect().close(reset);
  expect(connection.outcome).toBe("reset by the program");
  connection.close("stopped");
  expect([connection.outcome, clientPeer.calls]).toEqual(["reset by the program", ["terminate"]]);
});

test("a close ends both sides and is told as the cause", () => {
  const { owner, connection, connect, clientPeer } = accepted();
  const backendPeer = connect();
  connection.close("idle");
  expect([clientPeer.calls, backendPeer.calls]).toEqual([["end"], ["end"]]);
  expect([owner.ended, connection.outcome]).toEqual([[connection], "idle"]);
});

test("a close while the backend is dialled takes the dial back", () => {
  const { owner, connection, dial } = accepted();
  connection.close("stopped");
  expect([owner.cancelled, owner.ended]).toEqual([[dial], [connection]]);
});

test("a connection is delivered when its program has gone and its client has everything", () => {
  const { connection, connect, clientPeer } = accepted();
  const backendPeer = connect();
  clientPeer.room = 10;
  backendPeer.data(20);
  expect(connection.delivered).toBe(false);
  backendPeer.close();
  expect([connection.delivered, connection.pending]).toEqual([false, true]);
  clientPeer.unsent = 1;
  clientPeer.take(10);
  expect([connection.delivered, connection.pending]).toEqual([false, false]);
  clientPeer.unsent = 0;
  expect(connection.delivered).toBe(true);
  connection.close("stopped");
});

test("what was received or acknowledged is movement, what only our kernel has taken is not", () => {
  const owner = new ScriptedOwner({ tcpKeepalive: Number.POSITIVE_INFINITY, idleTimeout: 4_000 });
  const connection = new Connection(owner, "", { client: "tcp", backend: "tcp" });
  const [clientPeer, backendPeer] = [owner.peer(connection.client), owner.peer(connection.backend)];
  connection.accept(clientPeer, null);
  connection.connected(backendPeer);
  let now = 0;
  const isOpenAfter = (milliseconds: number) => {
    now += milliseconds;
    connection.tick(now);
    return owner.ended.length === 0;
  };
  clientPeer.unsent = 1_000;
  backendPeer.data(1_000);
  expect(isOpenAfter(1)).toBe(true);
  for (let seconds = 0; seconds < 60; seconds += 3) {
    clientPeer.unsent--;
    expect(isOpenAfter(3_000)).toBe(true);
  }
  clientPeer.data(1);
  expect(isOpenAfter(3_999)).toBe(true);
  backendPeer.unsent = 0;
  expect(isOpenAfter(3_999)).toBe(true);
  expect([isOpenAfter(4_000), connection.outcome]).toEqual([false, "idle"]);
});

describe("a connection is at rest", () => {
  const over = (it: ReturnType<typeof connectionOf>) => {
    expect(it.owner.faults).toEqual([]);
    it.connection.close("stopped");
  };

  test("when nobody has spoken, or the program spoke last", () => {
    const it = connectionOf();
    expect(it.connection.atRest).toBe(true);
    it.clientPeer.data(10);
    expect(it.connection.atRest).toBe(false);
    it.backendPeer.data(10);
    expect(it.connection.atRest).toBe(true);
    it.clientPeer.data(1);
    expect(it.connection.atRest).toBe(false);
    over(it);
  });

  test("not while its backend is dialled", () => {
    const { connection, connect } = accepted();
    expect(connection.atRest).toBe(false);
    connect();
    expect(connection.atRest).toBe(true);
    connection.close("stopped");
  });

  test.each(["clientPeer", "backendPeer"] as const)("not while something is unread or unacknowledged: %s", (peer) => {
    const it = connectionOf();
    it.backendPeer.data(10);
    for (const what of ["unread", "unsent"] as const) {
      it[peer][what] = 1;
      expect(it.connection.atRest).toBe(false);
      it[peer][what] = 0;
      expect(it.connection.atRest).toBe(true);
    }
    over(it);
  });

  test("not while the client does not take what the program has sent", () => {
    const it = connectionOf();
    it.clientPeer.room = 5;
    it.backendPeer.data(10);
    expect(it.connection.atRest).toBe(false);
    it.clientPeer.take(5);
    expect(it.connection.atRest).toBe(true);
    over(it);
  });

  test("when the program has ended its answer, but not when the client has ended its upload", () => {
    const it = connectionOf();
    it.clientPeer.data(10);
    it.backendPeer.data(10);
    it.backend.end();
    expect(it.connection.atRest).toBe(true);
    it.client.end();
    expect(it.connection.atRest).toBe(false);
    over(it);
  });

  test("not for one half: the program may have said a part of what the client waits for", () => {
    const it = connectionOf();
    it.client.end();
    it.backendPeer.data(10);
    expect(it.connection.atRest).toBe(false);
    over(it);
  });
});
