import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { Leg, type LegOwner } from "../../src/proxy/leg.ts";
import type { Surroundings } from "../../src/proxy/surroundings.ts";
import { Lookout, reset, ScriptedPeer } from "../support/scripted-peer.ts";

/** Two legs with a scripted peer each; `told` is what their owner was told. */
function pair(
  kinds: { client?: "tcp" | "unix"; backend?: "tcp" | "unix" } = {},
  { backendAttached = true, tcpKeepalive = 60_000 } = {},
) {
  const told: string[] = [];
  const peers = { client: new ScriptedPeer(), backend: new ScriptedPeer() };
  const lookout = new Lookout(() => [client, backend]);
  const owner: LegOwner = {
    legClosed: (leg) => {
      told.push(`${leg.role} closed`);
      if (leg.other.closed) lookout.stop();
    },
    wasReset: (leg) => told.push(`${leg.role} reset`),
    uploadLost: () => told.push("upload lost"),
  };
  const peerOf = (fd: number) => [peers.client, peers.backend].find((peer) => peer.fd === fd);
  const around: Surroundings = {
    tcpKeepalive,
    unsentBytes: (fd) => peerOf(fd)?.unsent ?? 0,
    setSendBuffer: (fd, bytes) => void peerOf(fd)?.sendBuffers.push(bytes),
    setKeepAlive: (fd, idle) => void peerOf(fd)?.keepAlive.push(idle),
    lookSoon: () => lookout.lookSoon(),
  };
  const client = new Leg("client", kinds.client ?? "tcp", owner, around);
  const backend = new Leg("backend", kinds.backend ?? "tcp", owner, around);
  client.other = backend;
  backend.other = client;
  peers.client.leg = client;
  peers.backend.leg = backend;
  client.attach(peers.client);
  if (backendAttached) backend.attach(peers.backend);
  return { client, backend, clientPeer: peers.client, backendPeer: peers.backend, told };
}

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  const timers = jest.getTimerCount();
  jest.clearAllTimers();
  jest.useRealTimers();
  expect(timers).toBe(0);
});

/** Lets everything end, so that no timer stays. */
function finish({ client, backend }: { client: Leg; backend: Leg }): void {
  client.hangUp();
  backend.hangUp();
}

test("what one peer sends the other gets", () => {
  const legs = pair();
  legs.clientPeer.data(1_000);
  legs.backendPeer.data(2_000);
  legs.clientPeer.data(1);
  expect([legs.backendPeer.written, legs.clientPeer.written]).toEqual([1_001, 2_000]);
  expect([legs.client.received, legs.backend.sent]).toEqual([1_001, 1_001]);
  expect([legs.backend.received, legs.client.sent]).toEqual([2_000, 2_000]);
  finish(legs);
});

test("a peer that takes a part pauses the source until it has taken the rest, 8,192 bytes at a time", () => {
  const legs = pair();
  legs.clientPeer.room = 8_192;
  legs.clientPeer.atOnce = 8_192;
  legs.backendPeer.data(40_000);
  expect([legs.clientPeer.written, legs.backendPeer.paused]).toEqual([8_192, true]);
  for (const written of [16_384, 24_576, 32_768]) {
    legs.clientPeer.take(8_192);
    expect([legs.clientPeer.written, legs.backendPeer.paused]).toEqual([written, true]);
  }
  legs.clientPeer.take(8_192);
  expect([legs.clientPeer.written, legs.backendPeer.paused]).toEqual([40_000, false]);
  finish(legs);
});

test("a Unix socket that does not take all at once gets more room, once; TCP sockets grow by themselves", () => {
  const legs = pair({ backend: "unix" });
  legs.clientPeer.data(8_000);
  expect(legs.backendPeer.sendBuffers).toEqual([]);
  for (const { room } of [{ room: 8_000 }, { room: 0 }]) {
    legs.backendPeer.room = room;
    legs.clientPeer.data(20_000);
    legs.backendPeer.take(Number.POSITIVE_INFINITY);
  }
  legs.clientPeer.room = 0;
  legs.backendPeer.data(10);
  legs.clientPeer.take(10);
  expect([legs.backendPeer.sendBuffers, legs.clientPeer.sendBuffers]).toEqual([[256 * 1024], []]);
  finish(legs);
});

test("a spurious drain changes nothing", () => {
  const legs = pair();
  legs.client.drain();
  legs.clientPeer.room = 0;
  legs.backendPeer.data(10);
  for (let times = 0; times < 3; times++) legs.client.drain();
  legs.backend.drain();
  expect([legs.clientPeer.written, legs.backendPeer.paused, legs.client.pending]).toEqual([0, true, true]);
  legs.clientPeer.take(10);
  expect([legs.clientPeer.written, legs.backendPeer.paused, legs.client.pending]).toEqual([10, false, false]);
  finish(legs);
});

test("data that comes although its peer is paused is kept in order", () => {
  const legs = pair();
  legs.clientPeer.room = 5;
  legs.backendPeer.data(10);
  expect(legs.backendPeer.paused).toBe(true);
  legs.backendPeer.data(20);
  legs.backendPeer.data(30);
  legs.clientPeer.take(Number.POSITIVE_INFINITY);
  expect(legs.clientPeer.written).toBe(60);
  finish(legs);
});

test("half-close goes through both ways, client first", () => {
  const { client, backend, clientPeer, backendPeer, told } = pair();
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
  const { client, backend, clientPeer, backendPeer, told } = pair();
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
  const { client, backend, clientPeer, backendPeer } = pair();
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
  const { client, backend, clientPeer, backendPeer } = pair();
  backendPeer.data(7);
  backendPeer.close();
  backend.end();
  expect([clientPeer.written, clientPeer.calls]).toEqual([7, ["shutdown"]]);
  clientPeer.close();
  client.end();
  expect(backendPeer.calls).toEqual([]);
});

test("a close without an end is the end of both directions of that peer", () => {
  const { client, clientPeer, backendPeer, told } = pair();
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
  const { backend, client, clientPeer, backendPeer, told } = pair();
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
  const { client, clientPeer, backendPeer, told } = pair({ backend: "unix" });
  backendPeer.data(100);
  backendPeer.close(reset);
  expect([clientPeer.written, clientPeer.calls]).toEqual([100, ["shutdown"]]);
  client.end();
  expect(told).toEqual(["backend closed", "client closed"]);
});

test("the reset of a TCP server waits for our queue and for the kernel's", () => {
  const { clientPeer, backendPeer, told } = pair();
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
    const { clientPeer, backendPeer } = pair();
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
  const { client, clientPeer, backendPeer } = pair();
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
  const { client, clientPeer, backendPeer } = pair();
  backendPeer.data(100);
  clientPeer.unsent = 100;
  backendPeer.close(reset);
  expect(client.pending).toBe(true);
  client.hangUp();
  expect(clientPeer.calls).toEqual(["terminate"]);
});

test("a client's reset reaches the server at once, past whatever is queued", () => {
  const { clientPeer, backendPeer, told } = pair();
  backendPeer.room = 0;
  clientPeer.data(100);
  clientPeer.close(reset);
  expect(backendPeer.calls).toEqual(["terminate"]);
  expect(told).toEqual(["client reset", "client closed", "backend closed"]);
});

test("a client that is gone in order leaves a server that gets all of its data and is closed then", () => {
  const { clientPeer, backendPeer } = pair();
  backendPeer.room = 0;
  clientPeer.data(100);
  clientPeer.close();
  expect(backendPeer.calls).toEqual([]);
  backendPeer.take(100);
  expect([backendPeer.written, backendPeer.calls]).toEqual([100, ["end"]]);
});

test("a dead peer that had ended its data before is closed, though no close comes", () => {
  const { client, backend, clientPeer, backendPeer, told } = pair();
  client.end();
  clientPeer.dead = -1;
  backendPeer.data(10);
  expect([clientPeer.calls, client.closed]).toEqual([["end"], true]);
  backend.end();
  expect([backendPeer.calls, backend.closed]).toEqual([["shutdown", "end"], true]);
  expect(told).toEqual(["client closed", "backend closed"]);
});

test("a dead peer's own data is still delivered, and its source is not kept waiting", () => {
  const { client, backend, clientPeer, backendPeer } = pair();
  clientPeer.room = 0;
  backendPeer.data(10);
  clientPeer.dead = -1;
  client.drain();
  expect(backendPeer.paused).toBe(false);
  backendPeer.data(10);
  clientPeer.data(5);
  expect(backendPeer.written).toBe(5);
  client.end();
  backend.end();
  expect([client.closed, backend.closed]).toEqual([true, true]);
});

test("a dead client whose reset is on its way is reset at once", () => {
  const { client, clientPeer, backendPeer } = pair();
  clientPeer.room = 0;
  backendPeer.data(10);
  backendPeer.close(reset);
  clientPeer.dead = -1;
  client.drain();
  expect(clientPeer.calls).toEqual(["terminate"]);
});

test("a peer whose socket tells of no close is closed once both directions are over", () => {
  const { client, backend, clientPeer, backendPeer } = pair({ client: "unix", backend: "unix" });
  client.end();
  backend.end();
  expect([clientPeer.calls, backendPeer.calls]).toEqual([["end"], ["shutdown", "end"]]);
});

test("a client that ends although paused, before there is a backend, is not left paused", () => {
  const { client, backend, clientPeer, backendPeer } = pair({}, { backendAttached: false });
  client.intake.pause();
  clientPeer.data(10);
  client.end();
  backend.attach(backendPeer);
  expect([backendPeer.written, backendPeer.calls, clientPeer.paused]).toEqual([10, ["shutdown"], false]);
  backend.end();
  expect([client.closed, backend.closed]).toEqual([true, true]);
});

test("data for a peer that is not there yet is kept, and its source is paused from 64 KB on", () => {
  const { client, backend, clientPeer, backendPeer } = pair({}, { backendAttached: false });
  clientPeer.data(100);
  expect(clientPeer.paused).toBe(false);
  clientPeer.data(65_436);
  expect(clientPeer.paused).toBe(true);
  backend.attach(backendPeer);
  expect([backendPeer.written, clientPeer.paused]).toEqual([65_536, false]);
  finish({ client, backend });
});

test("a client whose server has gone is closed once it has been silent for five seconds", () => {
  const { client, clientPeer, backendPeer } = pair();
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
    const { client, backend, clientPeer, backendPeer, told } = pair({ backend: kind });
    clientPeer.data(1_000);
    backendPeer.close();
    expect([clientPeer.calls, backend.undelivered]).toEqual([["shutdown"], 0]);
    clientPeer.data(7);
    expect([clientPeer.calls, backend.undelivered]).toEqual([["shutdown", "terminate"], 7]);
    expect([told, client.closed]).toEqual([["backend closed", "upload lost", "client closed"], true]);
  },
);

test("what is queued for a server that goes without an answer resets its client at once, be the server closed or deaf", () => {
  for (const go of [
    ({ backendPeer }: ReturnType<typeof pair>) => backendPeer.close(),
    ({ backend, backendPeer, clientPeer }: ReturnType<typeof pair>) => {
      backendPeer.dead = -1;
      backend.drain();
      expect(clientPeer.calls).toEqual([]);
      backend.end();
    },
  ]) {
    const legs = pair({ backend: "unix" });
    legs.backendPeer.room = 10;
    legs.clientPeer.data(100);
    go(legs);
    expect([legs.clientPeer.calls, legs.backend.undelivered]).toEqual([["terminate"], 90]);
    finish(legs);
  }
});

test("an answer that waits to be read when a write fails is not lost", () => {
  const { clientPeer, backendPeer } = pair({ backend: "unix" });
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

test("a header that was not sent is no loss of the client's, and one that was is no delivery", () => {
  for (const sent of [0, 10, 28]) {
    const legs = pair({}, { backendAttached: false });
    legs.backend.prepend(new Uint8Array(28));
    legs.backendPeer.dead = sent === 28 ? null : -1;
    expect(legs.backend.undelivered).toBe(0);
    legs.backend.sent = sent;
    expect(legs.backend.undelivered).toBe(0);
    legs.client.received = 5;
    expect(legs.backend.undelivered).toBe(5);
    legs.client.received = 0;
    finish(legs);
  }
});

test("a client that was answered is read on, and is reset after five seconds of silence where bytes were lost", () => {
  const { clientPeer, backendPeer, told } = pair({ backend: "unix" });
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
  const { clientPeer, backendPeer } = pair({ backend: "unix" });
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
  const { client, clientPeer, backendPeer, told } = pair({ backend: "unix" });
  backendPeer.data(100);
  backendPeer.close();
  clientPeer.data(10);
  client.end();
  expect(clientPeer.calls).toEqual(["shutdown", "end"]);
  expect(told).toEqual(["backend closed", "client closed"]);
});

test("a client that had ended its upload, part of which is lost, gets its answer and then a reset in place of an end", () => {
  const { backend, client, clientPeer, backendPeer, told } = pair({ backend: "unix" });
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
  expect([clientPeer.calls, backend.undelivered]).toEqual([["terminate"], 90]);
  expect(told).toEqual(["backend closed", "upload lost", "client closed"]);
});

test("a server that takes nothing any more but goes on answering is heard to its end", () => {
  const { clientPeer, backendPeer, backend } = pair({ backend: "unix" });
  backendPeer.data(10);
  backendPeer.dead = -1;
  clientPeer.data(100);
  expect([clientPeer.calls, backend.undelivered]).toEqual([[], 100]);
  backendPeer.data(1_000);
  backend.end();
  expect([clientPeer.calls, clientPeer.written]).toEqual([["shutdown"], 1_010]);
  jest.advanceTimersByTime(6_000);
  expect(clientPeer.calls).toEqual(["shutdown", "terminate"]);
});

test("hanging up resets a client whose upload is not delivered, and closes one whose upload is in order", () => {
  for (const room of [100, 99]) {
    const legs = pair();
    legs.backendPeer.room = room;
    legs.clientPeer.data(100);
    finish(legs);
    expect(legs.clientPeer.calls).toEqual([room === 100 ? "end" : "terminate"]);
  }
});

test("a slow reader whose server has gone is not closed before it has everything", () => {
  const { client, clientPeer, backendPeer } = pair();
  backendPeer.data(100);
  clientPeer.unsent = 100;
  backendPeer.close();
  jest.advanceTimersByTime(60_000);
  expect(client.closed).toBe(false);
  clientPeer.unsent = 0;
  jest.advanceTimersByTime(6_000);
  expect(client.closed).toBe(true);
});

test("TCP peers are probed from half a second on, once, and what is over by then is not", () => {
  const short = pair();
  finish(short);
  const lasting = pair({ backend: "unix" });
  jest.advanceTimersByTime(400);
  expect(lasting.clientPeer.keepAlive).toEqual([]);
  jest.advanceTimersByTime(200);
  lasting.backendPeer.close();
  jest.advanceTimersByTime(2_000);
  expect([lasting.clientPeer.keepAlive, lasting.backendPeer.keepAlive]).toEqual([[60_000], []]);
  expect([short.clientPeer.keepAlive, short.backendPeer.keepAlive]).toEqual([[], []]);
  finish(lasting);
});

test("a backend that comes late is probed too; nobody is where probes are off", () => {
  const late = pair({}, { backendAttached: false });
  jest.advanceTimersByTime(1_000);
  late.backend.attach(late.backendPeer);
  const off = pair({}, { tcpKeepalive: Number.POSITIVE_INFINITY });
  jest.advanceTimersByTime(1_000);
  expect([late.clientPeer.keepAlive, late.backendPeer.keepAlive]).toEqual([[60_000], [60_000]]);
  expect([off.clientPeer.keepAlive, off.backendPeer.keepAlive]).toEqual([[], []]);
  finish(late);
  finish(off);
});

test("hanging up ends a peer that has everything and resets one that has not", () => {
  const { client, backend, clientPeer, backendPeer } = pair();
  clientPeer.room = 0;
  backendPeer.data(10);
  client.hangUp();
  backend.hangUp();
  expect([clientPeer.calls, backendPeer.calls]).toEqual([["terminate"], ["end"]]);
});

test("a close that comes inside our own end, with or without an error, is no second end", () => {
  for (const error of [undefined, reset]) {
    const { client, backend, clientPeer, backendPeer, told } = pair();
    clientPeer.onClose = () => client.close(error);
    backendPeer.onClose = () => backend.close(error);
    client.end();
    backend.end();
    expect([clientPeer.calls, backendPeer.calls]).toEqual([["end"], ["shutdown", "end"]]);
    expect(told.toSorted()).toEqual(["backend closed", "client closed"]);
  }
});

test("a direction that has ended counts as half-closed until both sockets are gone, also while data is queued", () => {
  const { client, backend, clientPeer, backendPeer } = pair();
  expect([client.halfClosed, backend.halfClosed]).toEqual([false, false]);
  clientPeer.room = 0;
  backendPeer.data(10);
  backendPeer.close();
  expect(client.halfClosed).toBe(true);
  finish({ client, backend });
});

/** More turns of the event loop than a transfer that has paused is followed. */
async function fewTurns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test("a transfer is read turn by turn until one brings none, then Bun reads again", async () => {
  const legs = pair();
  legs.backend.intake.follow();
  expect(legs.backendPeer.paused).toBe(true);
  await fewTurns();
  expect(legs.backendPeer.paused).toBe(false);
  finish(legs);
});

test("a client that has much to take yet keeps its program from being read at will, until it has caught up", async () => {
  const legs = pair();
  // The look at what lasts is over.
  jest.advanceTimersByTime(500);
  legs.clientPeer.unsent = 2 ** 21;
  legs.backend.intake.follow();
  await fewTurns();
  expect(legs.backendPeer.paused).toBe(true);
  jest.advanceTimersByTime(100);
  legs.client.drain();
  expect(legs.backendPeer.paused).toBe(true);
  expect(jest.getTimerCount()).toBe(1);
  legs.clientPeer.unsent--;
  jest.advanceTimersByTime(16);
  expect(legs.backendPeer.paused).toBe(false);
  expect(jest.getTimerCount()).toBe(0);
  finish(legs);
});

test("a client that takes nothing any more while its program is kept back keeps it back until it does", async () => {
  const legs = pair();
  legs.clientPeer.unsent = 2 ** 21;
  legs.backend.intake.follow();
  await fewTurns();
  legs.clientPeer.room = 0;
  legs.backendPeer.data(1_000);
  legs.clientPeer.unsent = 0;
  jest.advanceTimersByTime(100);
  expect(legs.backendPeer.paused).toBe(true);
  legs.clientPeer.take(1_000);
  await fewTurns();
  expect(legs.backendPeer.paused).toBe(false);
  finish(legs);
});

test("a leg that is closed while it is followed is left alone", async () => {
  const legs = pair();
  legs.backend.intake.follow();
  legs.backendPeer.close();
  await fewTurns();
  expect(legs.client.closed || legs.backend.closed).toBe(true);
  finish(legs);
});
