import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { connectionOf, reset } from "../support/scripted-peer.ts";

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  const timers = jest.getTimerCount();
  jest.clearAllTimers();
  jest.useRealTimers();
  expect(timers).toBe(0);
});

test("a Unix socket that does not take all at once gets more room, once; TCP sockets grow by themselves", () => {
  const it = connectionOf({ backend: "unix" });
  it.clientPeer.data(8_000);
  expect(it.backendPeer.sendBuffers).toEqual([]);
  for (const { room } of [{ room: 8_000 }, { room: 0 }]) {
    it.backendPeer.room = room;
    it.clientPeer.data(20_000);
    it.backendPeer.take(Number.POSITIVE_INFINITY);
  }
  it.clientPeer.room = 0;
  it.backendPeer.data(10);
  it.clientPeer.take(10);
  expect([it.backendPeer.sendBuffers, it.clientPeer.sendBuffers]).toEqual([[256 * 1024], []]);
  it.connection.close("stopped");
});

test("half-close goes through both ways, client first", () => {
  const { client, backend, clientPeer, backendPeer, told } = connectionOf();
  clientPeer.data(10);
  client.end();
  expect(backendPeer.calls).toEqual(["shutdown"]);
  backendPeer.data(1_000);
  backend.end();
  expect(clientPeer.written).toBe(1_000);
  expect([clientPeer.calls, backendPeer.calls]).toEqual([["end"], ["shutdown", "end"]]);
  expect(told.toSorted()).toEqual(["backend closed", "client closed"]);
});

test("half-close goes through both ways, backend first", () => {
  const { client, backend, clientPeer, backendPeer, told } = connectionOf();
  backendPeer.data(10);
  backend.end();
  expect(clientPeer.calls).toEqual(["shutdown"]);
  clientPeer.data(1_000);
  client.end();
  expect(backendPeer.written).toBe(1_000);
  expect([clientPeer.calls, backendPeer.calls]).toEqual([["shutdown", "end"], ["end"]]);
  expect(told.toSorted()).toEqual(["backend closed", "client closed"]);
});

test("an end waits for the queue, and comes once though it is reported twice", () => {
  const { client, backend, clientPeer, backendPeer } = connectionOf();
  clientPeer.room = 0;
  backendPeer.data(100);
  backend.end();
  backend.end();
  expect(clientPeer.calls).toEqual([]);
  clientPeer.take(99);
  expect(clientPeer.calls).toEqual([]);
  clientPeer.take(1);
  backend.end();
  expect(clientPeer.calls).toEqual(["shutdown"]);
  client.end();
  client.end();
  expect(backendPeer.calls).toEqual(["end"]);
});

test("an end behind the close changes nothing", () => {
  const { client, backend, clientPeer, backendPeer } = connectionOf();
  backendPeer.data(7);
  backendPeer.close();
  backend.end();
  expect([clientPeer.written, clientPeer.calls]).toEqual([7, ["shutdown"]]);
  clientPeer.close();
  client.end();
  expect(backendPeer.calls).toEqual([]);
});

test("a close without an end is the end of both directions of that peer", () => {
  const { client, clientPeer, backendPeer, told } = connectionOf();
  clientPeer.room = 0;
  backendPeer.data(100);
  backendPeer.close();
  expect(clientPeer.calls).toEqual([]);
  clientPeer.take(100);
  expect([clientPeer.written, clientPeer.calls]).toEqual([100, ["shutdown"]]);
  client.end();
  expect(clientPeer.calls).toEqual(["shutdown", "end"]);
  expect(told).toEqual(["backend closed", "client closed"]);
});

test("a reset behind the end is an ordinary close, and the queue for the other side is kept", () => {
  const { client, backend, clientPeer, backendPeer, told } = connectionOf();
  clientPeer.room = 0;
  backendPeer.data(100);
  backend.end();
  backendPeer.close(reset);
  clientPeer.take(100);
  expect([clientPeer.written, clientPeer.calls]).toEqual([100, ["shutdown"]]);
  client.end();
  expect(told).toEqual(["backend closed", "client closed"]);
});

test("a Unix socket's reset is an orderly end", () => {
  const { client, clientPeer, backendPeer, told } = connectionOf({ backend: "unix" });
  backendPeer.data(100);
  backendPeer.close(reset);
  expect([clientPeer.written, clientPeer.calls]).toEqual([100, ["shutdown"]]);
  client.end();
  expect(told).toEqual(["backend closed", "client closed"]);
});

test("the reset of a TCP server waits for our queue and for the kernel's", () => {
  const { clientPeer, backendPeer, told } = connectionOf();
  clientPeer.room = 50;
  clientPeer.unsent = 50;
  backendPeer.data(100);
  backendPeer.close(reset);
  jest.advanceTimersByTime(1_000);
  expect(clientPeer.calls).toEqual([]);
  clientPeer.take(50);
  jest.advanceTimersByTime(1_000);
  expect(clientPeer.calls).toEqual([]);
  clientPeer.unsent = 0;
  jest.advanceTimersByTime(250);
  expect([clientPeer.written, clientPeer.calls]).toEqual([100, ["terminate"]]);
  expect(told).toEqual(["backend reset", "backend closed", "client closed"]);
});

test("a reset waits as long as something is acknowledged, and for a minute of nothing, be it our queue or the kernel's", () => {
  for (const [room, unsent] of [
    [50, 0],
    [100, 100],
  ] as const) {
    const { clientPeer, backendPeer } = connectionOf();
    clientPeer.room = room;
    clientPeer.unsent = unsent;
    backendPeer.data(100);
    backendPeer.close(reset);
    for (let minutes = 0; minutes < 10; minutes++) {
      jest.advanceTimersByTime(59_000);
      if (room < 100) clientPeer.take(1);
      else clientPeer.unsent--;
    }
    jest.advanceTimersByTime(59_000);
    expect(clientPeer.calls).toEqual([]);
    jest.advanceTimersByTime(1_500);
    expect(clientPeer.calls).toEqual(["terminate"]);
  }
});

test("a client that ends while its reset is being delivered is still reset: its answer was cut off", () => {
  const { client, clientPeer, backendPeer } = connectionOf();
  backendPeer.data(100);
  clientPeer.unsent = 100;
  backendPeer.close(reset);
  client.end();
  expect(clientPeer.calls).toEqual([]);
  clientPeer.unsent = 0;
  jest.advanceTimersByTime(300);
  expect(clientPeer.calls).toEqual(["terminate"]);
});

test("a client that is hung up on while its reset is being delivered is reset, not ended", () => {
  const { client, down, clientPeer, backendPeer } = connectionOf();
  backendPeer.data(100);
  clientPeer.unsent = 100;
  backendPeer.close(reset);
  expect(down.pending).toBe(true);
  client.close();
  expect(clientPeer.calls).toEqual(["terminate"]);
});

test("a client's reset reaches the server at once, past whatever is queued", () => {
  const { clientPeer, backendPeer, told } = connectionOf();
  backendPeer.room = 0;
  clientPeer.data(100);
  clientPeer.close(reset);
  expect(backendPeer.calls).toEqual(["terminate"]);
  expect(told).toEqual(["client reset", "client closed", "backend closed"]);
});

test("a client that is gone in order leaves a server that gets all of its data and is closed then", () => {
  const { clientPeer, backendPeer } = connectionOf();
  backendPeer.room = 0;
  clientPeer.data(100);
  clientPeer.close();
  expect(backendPeer.calls).toEqual([]);
  backendPeer.take(100);
  expect([backendPeer.written, backendPeer.calls]).toEqual([100, ["end"]]);
});

test("a dead peer that had ended its data before is closed, though no close comes", () => {
  const { client, backend, clientPeer, backendPeer, told } = connectionOf();
  client.end();
  clientPeer.dead = -1;
  backendPeer.data(10);
  expect([clientPeer.calls, client.closed]).toEqual([["end"], true]);
  backend.end();
  expect([backendPeer.calls, backend.closed]).toEqual([["shutdown", "end"], true]);
  expect(told).toEqual(["client closed", "backend closed"]);
});

test("a dead client whose reset is on its way is reset at once", () => {
  const { client, clientPeer, backendPeer } = connectionOf();
  clientPeer.room = 0;
  backendPeer.data(10);
  backendPeer.close(reset);
  clientPeer.dead = -1;
  client.outbound.flush();
  expect(clientPeer.calls).toEqual(["terminate"]);
});

test("a peer whose socket tells of no close is closed once both directions are over", () => {
  const { client, backend, clientPeer, backendPeer } = connectionOf({ client: "unix", backend: "unix" });
  client.end();
  backend.end();
  expect([clientPeer.calls, backendPeer.calls]).toEqual([["end"], ["shutdown", "end"]]);
});

test("a client that ends although paused, before there is a backend, is not left paused", () => {
  const { connection, client, backend, clientPeer, backendPeer } = connectionOf({}, { connected: false });
  client.pause();
  clientPeer.data(10);
  client.end();
  connection.connected(backendPeer);
  expect([backendPeer.written, backendPeer.calls, clientPeer.paused]).toEqual([10, ["shutdown"], false]);
  backend.end();
  expect([client.closed, backend.closed]).toEqual([true, true]);
});

test("a client whose server has gone is closed once it has been silent for five seconds", () => {
  const { client, clientPeer, backendPeer } = connectionOf();
  backendPeer.data(100);
  backendPeer.close();
  expect(clientPeer.calls).toEqual(["shutdown"]);
  jest.advanceTimersByTime(4_500);
  expect(clientPeer.calls).toEqual(["shutdown"]);
  jest.advanceTimersByTime(1_000);
  expect([clientPeer.calls, client.closed]).toEqual([["shutdown", "end"], true]);
});

test.each(["tcp", "unix"] as const)(
  "a client whose server (%s) goes without an answer is reset at its first byte that cannot be delivered",
  (kind) => {
    const { client, up, clientPeer, backendPeer, told } = connectionOf({ backend: kind });
    clientPeer.data(1_000);
    backendPeer.close();
    expect([clientPeer.calls, up.undelivered]).toEqual([["shutdown"], 0]);
    clientPeer.data(7);
    expect([clientPeer.calls, up.undelivered]).toEqual([["shutdown", "terminate"], 7]);
    expect([told, client.closed]).toEqual([["backend closed", "upload lost", "client closed"], true]);
  },
);

test("what is queued for a server that goes without an answer resets its client at once, be the server closed or deaf", () => {
  for (const go of [
    ({ backendPeer }: ReturnType<typeof connectionOf>) => backendPeer.close(),
    ({ backend, backendPeer, clientPeer }: ReturnType<typeof connectionOf>) => {
      backendPeer.dead = -1;
      backend.outbound.flush();
      expect(clientPeer.calls).toEqual([]);
      backend.end();
    },
  ]) {
    const it = connectionOf({ backend: "unix" });
    it.backendPeer.room = 10;
    it.clientPeer.data(100);
    go(it);
    expect([it.clientPeer.calls, it.up.undelivered]).toEqual([["terminate"], 90]);
    it.connection.close("stopped");
  }
});

test("an answer that waits to be read when a write fails is not lost", () => {
  const { clientPeer, backendPeer } = connectionOf({ backend: "unix" });
  backendPeer.dead = -1;
  clientPeer.data(100);
  backendPeer.data(50);
  backendPeer.close(reset);
  expect([clientPeer.calls, clientPeer.written]).toEqual([["shutdown"], 50]);
  clientPeer.data(100);
  expect(clientPeer.calls).toEqual(["shutdown"]);
  jest.advanceTimersByTime(6_000);
  expect(clientPeer.calls).toEqual(["shutdown", "terminate"]);
});

test("a client that was answered is read on, and is reset after five seconds of silence where bytes were lost", () => {
  const { clientPeer, backendPeer, told } = connectionOf({ backend: "unix" });
  backendPeer.data(100);
  backendPeer.close();
  clientPeer.data(10);
  jest.advanceTimersByTime(4_000);
  clientPeer.data(10);
  jest.advanceTimersByTime(4_500);
  expect(clientPeer.calls).toEqual(["shutdown"]);
  jest.advanceTimersByTime(1_000);
  expect(clientPeer.calls).toEqual(["shutdown", "terminate"]);
  expect(told).toEqual(["backend closed", "upload lost", "client closed"]);
});

test("a client that was answered and goes on sending is reset after thirty seconds, but not before it has its answer", () => {
  const { clientPeer, backendPeer } = connectionOf({ backend: "unix" });
  backendPeer.data(100);
  clientPeer.unsent = 50;
  backendPeer.close();
  for (let seconds = 0; seconds < 40; seconds++) {
    clientPeer.data(10);
    jest.advanceTimersByTime(1_000);
  }
  expect(clientPeer.calls).toEqual(["shutdown"]);
  clientPeer.unsent = 0;
  jest.advanceTimersByTime(300);
  expect(clientPeer.calls).toEqual(["shutdown", "terminate"]);
});

test("a client that has our end and ends its upload meanwhile is closed in order", () => {
  const { client, clientPeer, backendPeer, told } = connectionOf({ backend: "unix" });
  backendPeer.data(100);
  backendPeer.close();
  clientPeer.data(10);
  client.end();
  expect(clientPeer.calls).toEqual(["shutdown", "end"]);
  expect(told).toEqual(["backend closed", "client closed"]);
});

test("a client that had ended its upload, part of which is lost, gets its answer and then a reset in place of an end", () => {
  const { client, up, clientPeer, backendPeer, told } = connectionOf({ backend: "unix" });
  backendPeer.room = 10;
  clientPeer.data(100);
  client.end();
  backendPeer.data(50);
  clientPeer.unsent = 50;
  backendPeer.close();
  jest.advanceTimersByTime(10_000);
  expect([clientPeer.calls, clientPeer.written]).toEqual([[], 50]);
  clientPeer.unsent = 0;
  jest.advanceTimersByTime(300);
  expect([clientPeer.calls, up.undelivered]).toEqual([["terminate"], 90]);
  expect(told).toEqual(["backend closed", "upload lost", "client closed"]);
});

test("a server that takes nothing any more but goes on answering is heard to its end", () => {
  const { backend, up, clientPeer, backendPeer } = connectionOf({ backend: "unix" });
  backendPeer.data(10);
  backendPeer.dead = -1;
  clientPeer.data(100);
  expect([clientPeer.calls, up.undelivered]).toEqual([[], 100]);
  backendPeer.data(1_000);
  backend.end();
  expect([clientPeer.calls, clientPeer.written]).toEqual([["shutdown"], 1_010]);
  jest.advanceTimersByTime(6_000);
  expect(clientPeer.calls).toEqual(["shutdown", "terminate"]);
});

test("hanging up resets a client whose upload is not delivered, and closes one whose upload is in order", () => {
  for (const room of [100, 99]) {
    const it = connectionOf();
    it.backendPeer.room = room;
    it.clientPeer.data(100);
    it.connection.close("stopped");
    expect(it.clientPeer.calls).toEqual([room === 100 ? "end" : "terminate"]);
  }
});

test("a slow reader whose server has gone is not closed before it has everything", () => {
  const { client, clientPeer, backendPeer } = connectionOf();
  backendPeer.data(100);
  clientPeer.unsent = 100;
  backendPeer.close();
  jest.advanceTimersByTime(60_000);
  expect(client.closed).toBe(false);
  clientPeer.unsent = 0;
  jest.advanceTimersByTime(6_000);
  expect(client.closed).toBe(true);
});

test("hanging up ends a peer that has everything and resets one that has not", () => {
  const { client, backend, clientPeer, backendPeer } = connectionOf();
  clientPeer.room = 0;
  backendPeer.data(10);
  client.close();
  backend.close();
  expect([clientPeer.calls, backendPeer.calls]).toEqual([["terminate"], ["end"]]);
});

test("a close that comes inside our own end, with or without an error, is no second end", () => {
  for (const error of [undefined, reset]) {
    const { client, backend, clientPeer, backendPeer, told } = connectionOf();
    clientPeer.onClose = () => client.socketClosed(error);
    backendPeer.onClose = () => backend.socketClosed(error);
    client.end();
    backend.end();
    expect([clientPeer.calls, backendPeer.calls]).toEqual([["end"], ["shutdown", "end"]]);
    expect(told.toSorted()).toEqual(["backend closed", "client closed"]);
  }
});

test("a direction that has ended counts as half-closed until both sockets are gone, also while data is queued", () => {
  const { connection, clientPeer, backendPeer } = connectionOf();
  expect(connection.halfClosed).toBe(false);
  clientPeer.room = 0;
  backendPeer.data(10);
  backendPeer.close();
  expect(connection.halfClosed).toBe(true);
  connection.close("stopped");
});

test("the answer of a program that has crashed ends in a reset, after all that was received", () => {
  for (const end of [
    ({ backend }: ReturnType<typeof connectionOf>) => backend.end(),
    ({ backendPeer }: ReturnType<typeof connectionOf>) => backendPeer.close(),
  ]) {
    const it = connectionOf({ backend: "unix" });
    it.clientPeer.room = 50;
    it.backendPeer.data(100);
    it.owner.crashed = true;
    end(it);
    jest.advanceTimersByTime(1_000);
    expect(it.clientPeer.calls).toEqual([]);
    it.clientPeer.take(50);
    jest.advanceTimersByTime(300);
    expect([it.clientPeer.written, it.clientPeer.calls]).toEqual([100, ["terminate"]]);
    expect(it.connection.outcome).toBe("reset by the program");
    it.connection.close("stopped");
  }
});

test("a crash that is known after the end resets a client that has not got FIN yet, and nobody else", () => {
  const late = connectionOf({ backend: "unix" });
  late.clientPeer.room = 50;
  late.backendPeer.data(100);
  late.backendPeer.close();
  const early = connectionOf({ backend: "unix" });
  early.backendPeer.data(100);
  early.backendPeer.close();
  for (const { connection } of [late, early]) connection.programCrashed();
  late.clientPeer.take(50);
  jest.advanceTimersByTime(300);
  expect([late.clientPeer.calls, early.clientPeer.calls]).toEqual([["terminate"], ["shutdown"]]);
  early.connection.close("stopped");
});
