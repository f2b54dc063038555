import { afterEach, expect, jest, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "../../src/address.ts";
import type { Log } from "../../src/log.ts";
import { Relay, type RelaySettings } from "../../src/proxy/relay.ts";
import type { Target } from "../../src/proxy/target.ts";
import type { ListeningSocket } from "../../src/system/sockets.ts";
import { bindListener, describe } from "../../src/system/sockets.ts";
import { Client } from "../support/client.ts";
import { FaultyBackend, type Order } from "../support/faulty-backend.ts";
import { waitFor } from "../support/wait.ts";

let cleanUps: (() => void)[] = [];

afterEach(() => {
  for (const cleanUp of cleanUps.reverse()) cleanUp();
  cleanUps = [];
});

const standard: RelaySettings = {
  connectTimeout: 10_000,
  maxConnections: 100,
  tcpKeepalive: 60_000,
  idleTimeout: Number.POSITIVE_INFINITY,
  exitIdleTime: Number.POSITIVE_INFINITY,
  exitIdleAtRest: false,
  proxyProtocol: undefined,
  describeClients: true,
};

function freeListener(host = "127.0.0.1"): ListeningSocket {
  const fd = bindListener({ kind: "tcp", host, port: 0 }, 128);
  const found = describe(fd);
  if (found.kind !== "listener") throw new Error("no listener");
  return { fd, address: found.address, name: "Socket" };
}

/** A target whose program neither crashes nor loses its folder. */
function targetAt(address: Address): Target {
  return { address, isGone: () => false, hasCrashed: () => false };
}

function unixPath(): Address {
  const folder = mkdtempSync(join(tmpdir(), "relay-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  return { kind: "unix", path: join(folder, "socket") };
}

/** A relay in this process, to a backend that does what clients ask of it. */
function relay(settings: Partial<RelaySettings> = {}, { target = unixPath(), withBackend = true } = {}) {
  const lines: string[] = [];
  const line = (text: string) => lines.push(text);
  const log = { error: line, warn: line, info: line, debug: line } as unknown as Log;
  const sockets = [freeListener(), freeListener()];
  const first = targetAt(target);
  const relay = new Relay([{ sockets, target: first }], { ...standard, ...settings }, log);
  const [address, second] = sockets.map(({ address }) => address) as [Address, Address];
  cleanUps.push(() => relay.close());
  const serve = (at = target) => {
    const backend = new FaultyBackend(at);
    cleanUps.push(() => backend[Symbol.dispose]());
    return backend;
  };
  const backend = withBackend ? serve() : null;
  relay.start();
  return { relay, lines, address, second, target: first, serve, backend };
}

async function client(address: Address, order?: Order, options?: { reading: boolean }): Promise<Client> {
  const client = await Client.open(address, options);
  cleanUps.push(() => client[Symbol.dispose]());
  if (order !== undefined) client.send(`${JSON.stringify(order)}\n`);
  return client;
}

test("serves all listeners and tells of each connection how it went", async () => {
  const { relay: theRelay, address, second, lines } = relay();
  for (const where of [address, second]) {
    const one = await (await client(where, { answer: 1_000 })).over();
    expect([one.received, one.differsAt, one.state]).toEqual([1_000, null, "ended"]);
    one.close();
  }
  await waitFor("both to be over", () => theRelay.size === 0 && lines.length === 2);
  for (const line of lines) {
    expect(line).toMatch(/^127\.0\.0\.1:\d+ to \/.*socket: 16 bytes up, 1000 bytes down, ended in order$/);
  }
  expect(theRelay.reached).toBe(true);
});

test("at capacity new connections wait, and are let in as others end", async () => {
  const { relay: theRelay, address, backend } = relay({ maxConnections: 3 });
  const clients: Client[] = [];
  for (let index = 0; index < 8; index++) clients.push(await client(address, { answer: 10, last: "hold" }));
  await waitFor("the first three", () => clients.filter(({ received }) => received === 10).length === 3);
  await Bun.sleep(50);
  expect([theRelay.size, backend?.made]).toEqual([3, 3]);
  for (const one of clients) {
    await one.got(10);
    expect(theRelay.size).toBeLessThanOrEqual(3);
    one.close();
  }
  await waitFor("all to be over", () => theRelay.size === 0);
  expect(backend?.made).toBe(8);
});

test("nobody is accepted while the program cannot be reached, but one who finds out", async () => {
  const { relay: theRelay, address, serve } = relay({}, { withBackend: false });
  const clients: Client[] = [];
  for (let index = 0; index < 5; index++) clients.push(await client(address, { answer: 10 }));
  await waitFor("the first", () => theRelay.size === 1);
  await Bun.sleep(100);
  expect(theRelay.size).toBe(1);
  const backend = serve();
  for (const one of clients) await one.got(10);
  expect(backend.orders).toHaveLength(5);
});

test("a connection on which nothing moves is closed after the idle timeout, a busy one is not", async () => {
  const { relay: theRelay, address, lines } = relay({ idleTimeout: 400 });
  const start = performance.now();
  const idle = await client(address, { answer: 10, last: "hold" });
  const busy = await client(address, { answer: 20, chunk: 1, pause: 100, last: "end" });
  await idle.over();
  expect(performance.now() - start).toBeGreaterThan(390);
  await busy.over();
  expect([busy.received, busy.differsAt]).toEqual([20, null]);
  idle.close();
  busy.close();
  await waitFor("both to be over", () => theRelay.size === 0);
  expect(lines.filter((line) => line.endsWith("ended idle"))).toHaveLength(1);
});

test("a half-closed connection on which nothing moves for an hour is closed, another is not", async () => {
  jest.useFakeTimers();
  cleanUps.push(() => jest.useRealTimers());
  const { relay: theRelay, address, backend, lines } = relay();
  const [half, whole] = [await Client.open(address), await Client.open(address)];
  cleanUps.push(() => {
    half[Symbol.dispose]();
    whole[Symbol.dispose]();
  });
  half.send(`${JSON.stringify({ answer: 10, last: "keep" })}\n`);
  whole.send(`${JSON.stringify({ answer: 10, last: "hold" })}\n`);
  const until = async (condition: () => boolean) => {
    for (let tries = 0; tries < 1_000 && !condition(); tries++) await new Promise((resolve) => setImmediate(resolve));
    expect(condition()).toBe(true);
  };
  await until(() => half.received === 10 && whole.received === 10);
  half.shutdown();
  // The end has gone through when it has reached the backend.
  await until(() => backend?.ended === 1);
  jest.advanceTimersByTime(50 * 60_000);
  await until(() => theRelay.size === 2);
  jest.advanceTimersByTime(80 * 60_000);
  await until(() => theRelay.size === 1);
  expect(lines.filter((line) => line.endsWith("ended idle"))).toHaveLength(1);
});

test("connections at rest are closed after the idle time, and nothing is accepted from then on", async () => {
  const settings = { exitIdleTime: 200, exitIdleAtRest: true };
  const { relay: theRelay, address, backend, lines } = relay(settings);
  const [silent, waiting, answered] = [await client(address), await client(address), await client(address)];
  waiting.send('{"answer": 10, ');
  answered.send(`${JSON.stringify({ answer: 10, last: "hold" })}\n`);
  await answered.got(10);
  await Bun.sleep(600);
  expect([theRelay.size, lines]).toEqual([3, []]);
  const start = performance.now();
  waiting.send('"last": "hold"}\n');
  await theRelay.idle;
  expect(performance.now() - start).toBeWithin(190, 2_000);
  expect(theRelay.size).toBe(0);
  for (const one of [silent, waiting, answered]) expect((await one.over()).state).toBe("ended");
  expect([silent.received, waiting.received, answered.received]).toEqual([0, 10, 10]);
  expect(lines.filter((line) => line.endsWith("ended at rest"))).toHaveLength(3);
  expect(lines).toContain("idle: 3 connections at rest for 200ms");
  await client(address, { answer: 10 });
  await Bun.sleep(50);
  expect([theRelay.size, backend?.orders.length]).toEqual([0, 2]);
});

test("draining waits for what moves and for what is undelivered, but not for what is quiet", async () => {
  const { relay: theRelay, address } = relay();
  const quiet = await client(address, { answer: 10, last: "hold" });
  const busy = await client(address, { answer: 15, chunk: 1, pause: 100, last: "hold" });
  await quiet.got(10);
  const start = performance.now();
  theRelay.stopAccepting();
  await theRelay.drain(10_000, new AbortController().signal);
  const took = performance.now() - start;
  expect(busy.received).toBe(15);
  expect([quiet.state, busy.state]).toEqual(["open", "open"]);
  expect(took).toBeGreaterThan(500);
  expect(took).toBeLessThan(5_000);
});

test("draining ends at its time limit, and at once when somebody is in a force", async () => {
  const { relay: theRelay, address } = relay();
  const busy = await client(address, { answer: 1_000, chunk: 1, pause: 50 });
  await busy.got(1);
  const start = performance.now();
  await theRelay.drain(300, new AbortController().signal);
  expect(performance.now() - start).toBeGreaterThan(290);
  expect(performance.now() - start).toBeLessThan(1_000);
  const force = new AbortController();
  const drained = theRelay.drain(10_000, force.signal);
  force.abort();
  await drained;
  expect(performance.now() - start).toBeLessThan(1_500);
});

test("after a stop new connections stay in the kernel's queue", async () => {
  const { relay: theRelay, address, backend } = relay();
  theRelay.stopAccepting();
  const one = await client(address, { answer: 10 });
  await Bun.sleep(50);
  expect([theRelay.size, backend?.made]).toEqual([0, 0]);
  theRelay.start();
  await one.got(10);
});

test("closing hangs up on everybody, and resets those who miss something", async () => {
  const { relay: theRelay, address } = relay();
  const quiet = await client(address, { answer: 10, last: "hold" });
  const behind = await client(address, { answer: 20_000_000 }, { reading: false });
  await quiet.got(10);
  let before = -1;
  await waitFor("a queue for the one who does not read", async () => {
    const { down } = theRelay.figures;
    const same = down === before && down > 1_000_000;
    before = down;
    // The relay looks again after a second at the latest.
    await Bun.sleep(1_100);
    return same;
  });
  theRelay.close();
  behind.resume();
  await Promise.all([quiet.over(), behind.over()]);
  expect([quiet.state, behind.state]).toEqual(["ended", "reset"]);
  expect(theRelay.size).toBe(0);
});

test("a failure that does not pass ends that client at once, with a sentence", async () => {
  const {
    relay: theRelay,
    address,
    lines,
  } = relay({}, { target: { kind: "tcp", host: "no-such-host.invalid", port: 80 }, withBackend: false });
  for (let times = 0; times < 2; times++) {
    const one = await client(address);
    await one.over();
    expect(one.received).toBe(0);
  }
  await waitFor("both to be over", () => theRelay.size === 0);
  const errors = lines.filter((line) => line.startsWith("error connecting to program: "));
  expect(errors).toHaveLength(2);
  expect(errors[0]).toMatch(/the host of no-such-host\.invalid:80 is unknown \(DNS_/);
});

test("another target gets the new connections and those that wait, and the first keeps its own", async () => {
  const { relay: theRelay, address, lines, target, serve, backend } = relay();
  const before = await client(address, { answer: 10, last: "hold" });
  await before.got(10);
  const place = unixPath();
  const other = targetAt(place);
  theRelay.switchTo([other]);
  const waiting = await client(address, { answer: 20, last: "hold" });
  await waitFor("a client that waits", () => theRelay.size === 2);
  expect([theRelay.connectionsTo([target]).length, theRelay.connectionsTo([other]).length]).toEqual([1, 0]);
  const third = unixPath();
  const last = targetAt(third);
  theRelay.switchTo([last]);
  const server = serve(third);
  await waiting.got(20);
  expect([backend?.made, server.made]).toEqual([1, 1]);
  expect([target, other, last].map((one) => theRelay.connectionsTo([one]).length)).toEqual([1, 0, 1]);
  before.close();
  waiting.close();
  await waitFor("both to be over", () => theRelay.size === 0);
  const places = [target, last].map(({ address }) => (address.kind === "unix" ? address.path : ""));
  for (const path of places) expect(lines.join("\n")).toContain(` to ${path}: 2`);
});

test("a connection whose server has closed it is not that server's any more, however long its client takes", async () => {
  const { relay: theRelay, address, target } = relay();
  const slow = await client(address, { answer: 20_000_000, last: "close" }, { reading: false });
  await waitFor("its connection", () => theRelay.connectionsTo([target]).length === 1);
  const quick = await client(address, { answer: 10, last: "close" });
  await quick.over();
  await waitFor("the quick one to be left out", () => theRelay.connectionsTo([target]).length === 1);
  expect(theRelay.size).toBe(2);
  slow.resume();
  await slow.got(20_000_000);
  await waitFor("the slow one to be left out", () => theRelay.connectionsTo([target]).length === 0);
});

test("a client that waits is not cut off by the crash of a program that it has not reached", async () => {
  const { relay: theRelay, address, target, serve } = relay({}, { withBackend: false });
  const waiting = await client(address, { answer: 20 });
  await waitFor("a client that waits", () => theRelay.figures.outage !== null);
  const place = unixPath();
  theRelay.switchTo([targetAt(place)]);
  theRelay.programCrashed([target]);
  serve(place);
  await waiting.got(20);
  await waiting.over();
  expect(waiting.state).toBe("ended");
});
