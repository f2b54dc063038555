import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SocketHandler } from "bun";
import type { Address } from "../../src/address.ts";
import type { Log } from "../../src/log.ts";
import { type Dial, Dialer, type Dialing } from "../../src/proxy/dial.ts";
import { FaultyBackend } from "../support/faulty-backend.ts";
import { freePort } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";

let folder: string;
const cleanUps: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dial-"));
});

afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
  rmSync(folder, { recursive: true });
});

/** A backend side that waits for its socket, and whether it was told that it has to. */
interface Waiting extends Dialing<Waiting> {
  held: boolean;
}

/** A dialer that only remembers what happens. */
function dialer(target: Address, timeout = 10_000) {
  const lines: string[] = [];
  const line = (text: string) => lines.push(text);
  const log = { error: line, warn: line, info: line, debug: line } as unknown as Log;
  const nothing: SocketHandler<Waiting> = { data: () => {}, close: () => {} };
  const dialer = new Dialer(target, timeout, nothing, log);
  const results: string[] = [];
  const clients = new Map<string, Waiting>();
  const dial = (name: string): Dial<Waiting> => {
    const side: Waiting = {
      dial: null,
      held: false,
      mustWait() {
        side.held = true;
      },
    };
    clients.set(name, side);
    dialer.dial(
      side,
      (socket) => {
        cleanUps.push(() => socket.terminate());
        results.push(`${name} connected`);
      },
      (reason) => results.push(`${name} ${reason}`),
    );
    // A dial that failed at once has left its side.
    return side.dial as Dial<Waiting>;
  };
  const over = (count: number) =>
    waitFor(
      () => `${count} results: ${results}`,
      () => results.length >= count,
    );
  return { dialer, dial, clients, results, lines, over };
}

function backend(address: Address, backlog?: number, options?: { accepting: boolean }): FaultyBackend {
  const backend = new FaultyBackend(address, backlog, options);
  cleanUps.push(() => backend[Symbol.dispose]());
  return backend;
}

const unix = (): Address => ({ kind: "unix", path: join(folder, "socket") });

test("reaches a Unix socket, an IP address and a host name", async () => {
  const port = freePort();
  for (const target of [
    unix(),
    { kind: "tcp", host: "127.0.0.1", port },
    { kind: "tcp", host: "localhost", port },
    { kind: "tcp", host: "", port },
  ] satisfies Address[]) {
    using _server = backend(target.kind === "unix" ? target : { ...target, host: "127.0.0.1" });
    const { dial, results, over, dialer: theDialer } = dialer(target);
    expect(theDialer.reached).toBe(false);
    dial("a");
    await over(1);
    expect([results, theDialer.reached, theDialer.open]).toEqual([["a connected"], true, true]);
  }
});

test("every address of this machine is tried", async () => {
  const port = freePort("::1");
  backend({ kind: "tcp", host: "::1", port });
  const { dial, results, over } = dialer({ kind: "tcp", host: "", port });
  dial("a");
  await over(1);
  expect(results).toEqual(["a connected"]);
});

test("one client at a time finds out whether the program is there, and nobody else is accepted meanwhile", async () => {
  const { dialer: theDialer, dial, over, results } = dialer(unix());
  expect(theDialer.open).toBe(true);
  dial("a");
  expect(theDialer.open).toBe(false);
  await waitFor("a first try", () => !theDialer.open);
  backend(unix());
  await over(1);
  expect([results, theDialer.open]).toEqual([["a connected"], true]);
});

test("a client that waits for the program is not read; one that is being connected is", async () => {
  const { dial, clients, over } = dialer(unix());
  dial("a");
  dial("b");
  expect([clients.get("a")?.held, clients.get("b")?.held]).toEqual([true, true]);
  backend(unix());
  await over(2);
  dial("c");
  expect(clients.get("c")?.held).toBe(false);
});

test("clients wait for the program and are served in the order in which they came", async () => {
  const { dial, results, over } = dialer(unix());
  const names = Array.from({ length: 50 }, (_, index) => `${index}`);
  for (const name of names) dial(name);
  await Bun.sleep(20);
  expect(results).toEqual([]);
  backend(unix());
  await over(50);
  expect(results).toEqual(names.map((name) => `${name} connected`));
});

test("clients that wait can be given to another dialer, in their order and with their time", async () => {
  const first = dialer(unix(), 600);
  for (const name of ["a", "b", "c"]) first.dial(name);
  const there: Address = { kind: "unix", path: join(folder, "other") };
  const second = dialer(there, 10_000);
  const begun = performance.now();
  first.dialer.handOver(second.dialer);
  // Nobody is tried here any more.
  const empty = backend(unix());
  await Bun.sleep(300);
  expect([first.results, empty.made]).toEqual([[], 0]);
  backend(there);
  await first.over(3);
  expect(first.results).toEqual(["a connected", "b connected", "c connected"]);

  const third = dialer({ kind: "unix", path: join(folder, "third") }, 600);
  third.dial("late");
  third.dialer.handOver(dialer({ kind: "unix", path: join(folder, "fourth") }, 60_000).dialer);
  await third.over(1);
  expect(third.results).toEqual(["late ENOENT"]);
  expect(performance.now() - begun).toBeLessThan(5_000);
});

test("a wait that ends at another dialer is over in the log, too, at the place and with the number of those who waited", async () => {
  const first = dialer(unix());
  for (const name of ["a", "b", "c"]) first.dial(name);
  await waitFor("the warning", () => first.lines.length > 0);
  const there: Address = { kind: "unix", path: join(folder, "other") };
  backend(there);
  first.dialer.handOver(dialer(there).dialer);
  await first.over(3);
  await waitFor("the second line", () => first.lines.length > 1);
  expect(first.results).toEqual(["a connected", "b connected", "c connected"]);
  expect(first.lines[1]).toMatch(/accepts connections at .*other after \d\.\d s; 3 waited for it/);
});

test("a wait of over a second gets one warning and one line with a count when it is over", async () => {
  const { dial, results, over, lines } = dialer(unix());
  for (const name of ["a", "b", "c"]) dial(name);
  await waitFor("the warning", () => lines.length > 0);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/does not listen at .*socket yet \(ENOENT\)/);
  await Bun.sleep(300);
  expect(lines).toHaveLength(1);
  backend(unix());
  await over(3);
  await waitFor("the second line", () => lines.length > 1);
  expect(results).toEqual(["a connected", "b connected", "c connected"]);
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatch(/accepts connections at .* after \d\.\d s; 3 waited for it/);
});

test("a short wait is not worth a line", async () => {
  const { dial, over, lines } = dialer(unix());
  dial("a");
  await Bun.sleep(50);
  backend(unix());
  await over(1);
  expect(lines).toEqual([]);
});

test("each client is given up when its own time is over", async () => {
  const { dial, results, over } = dialer(unix(), 200);
  const start = performance.now();
  dial("a");
  await Bun.sleep(100);
  dial("b");
  await over(1);
  const first = performance.now() - start;
  await over(2);
  const second = performance.now() - start;
  expect(results).toEqual(["a ENOENT", "b ENOENT"]);
  expect(first).toBeGreaterThan(190);
  expect(first).toBeLessThan(290);
  expect(second).toBeGreaterThan(290);
});

test("nobody listening and a full backlog both count as not there yet", async () => {
  const server = backend(unix(), 1, { accepting: false });
  const { dial, results, over } = dialer(unix());
  for (let index = 0; index < 20; index++) dial(`${index}`);
  await Bun.sleep(100);
  expect(results.length).toBeLessThan(5);
  server.accept();
  await over(20);
  expect(results).toEqual(Array.from({ length: 20 }, (_, index) => `${index} connected`));
});

test("an address that does not answer is given up at the deadline", async () => {
  const port = freePort();
  const target: Address = { kind: "tcp", host: "127.0.0.1", port };
  // Linux drops what comes to a full backlog of TCP: connects hang.
  backend(target, 0, { accepting: false });
  const { dial, results, over, dialer: theDialer } = dialer(target, 300);
  dial("a");
  await over(1);
  dial("b");
  await over(2);
  expect(results).toEqual(["a connected", "b ETIMEDOUT"]);
  expect(theDialer.orphaned).toBe(1);
});

test("a connect that hangs behind a dial that is over is counted until it ends, and its socket is closed then", async () => {
  const port = freePort();
  const target: Address = { kind: "tcp", host: "127.0.0.1", port };
  const server = backend(target, 0, { accepting: false });
  const { dial, results, over, dialer: theDialer } = dialer(target, 60_000);
  dial("a");
  await over(1);
  const taken = dial("b");
  theDialer.cancel(taken);
  expect(theDialer.orphaned).toBe(1);
  server.accept();
  await waitFor("the connect to end", () => theDialer.orphaned === 0);
  await waitFor("the socket to be closed", () => server.made === 2 && server.open === 1);
  expect(results).toEqual(["a connected"]);
});

test("TCP connects are made a few at a time, in order, and nobody is let in while many wait for that", async () => {
  const target: Address = { kind: "tcp", host: "127.0.0.1", port: freePort() };
  const server = backend(target, 0, { accepting: false });
  const { dial, results, over, dialer: theDialer } = dialer(target);
  dial("0");
  await over(1);
  const dials = Array.from({ length: 80 }, (_, index) => dial(`${index + 1}`));
  expect(theDialer.open).toBe(false);
  // Connects that hang cannot be taken back.
  for (const taken of dials.slice(8)) theDialer.cancel(taken);
  expect([theDialer.open, theDialer.orphaned]).toEqual([true, 0]);
  for (const taken of dials.slice(0, 8)) theDialer.cancel(taken);
  expect(theDialer.orphaned).toBe(8);
  server.accept();
  dial("last");
  await over(2);
  expect(results).toEqual(["0 connected", "last connected"]);
});

test("a host that nobody knows ends the client at once", async () => {
  const { dial, results, over } = dialer({ kind: "tcp", host: "no-such-host.invalid", port: 80 });
  dial("a");
  await over(1);
  expect(results).toHaveLength(1);
  expect(results[0]).not.toBe("a connected");
});

test("for a dial that was taken back nothing is called, and no connection is made", async () => {
  const { dialer: theDialer, dial, results, over } = dialer(unix());
  const [first, second] = [dial("a"), dial("b"), dial("c")] as [Dial<Waiting>, Dial<Waiting>, Dial<Waiting>];
  await Bun.sleep(20);
  theDialer.cancel(second);
  theDialer.cancel(first);
  const server = backend(unix());
  await over(1);
  await waitFor("the server to see it", () => server.made > 0);
  expect([results, server.made]).toEqual([["c connected"], 1]);
});

test("when all who wait are gone the next client is let in", async () => {
  const { dialer: theDialer, dial, over, results } = dialer(unix());
  const waiting = dial("a");
  await Bun.sleep(20);
  expect(theDialer.open).toBe(false);
  theDialer.cancel(waiting);
  await waitFor("the dialer to open", () => theDialer.open);
  backend(unix());
  dial("b");
  await over(1);
  expect(results).toEqual(["b connected"]);
});

test("abandoned dials fail once, and so does every later one", async () => {
  const { dialer: theDialer, dial, results } = dialer(unix());
  dial("a");
  dial("b");
  await Bun.sleep(20);
  theDialer.abandon();
  dial("c");
  backend(unix());
  await Bun.sleep(300);
  const why = "the program has ended";
  expect(results).toEqual([`a ${why}`, `b ${why}`, `c ${why}`]);
  expect(theDialer.open).toBe(false);
});
