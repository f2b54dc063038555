import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ReadinessOptions, untilReady } from "../../src/proxy/readiness.ts";
import { bindListener, closeDescriptor } from "../../src/system/sockets.ts";

let folder: string;
const cleanUps: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "readiness-"));
});

afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
  rmSync(folder, { recursive: true });
});

const place = () => ({ kind: "unix", path: join(folder, "socket") }) as const;

function wait(options: Partial<ReadinessOptions> = {}): Promise<string | null> {
  const standard = { timeout: 20_000, proxyProtocol: undefined, signal: new AbortController().signal };
  return untilReady(place(), { ...standard, ...options });
}

/** A server that does that with each client. */
function serve(each: (socket: Socket) => void): void {
  const server = createServer({ allowHalfOpen: true }, each).listen(place().path);
  cleanUps.push(() => server.close());
}

test.each([
  ["closes at the end of its client's data", (socket: Socket) => socket.on("end", () => socket.end()).resume()],
  ["speaks first", (socket: Socket) => socket.write("220 hello\r\n")],
  ["closes at once", (socket: Socket) => socket.destroy()],
])("a server that %s is ready", async (_, each) => {
  const begun = performance.now();
  const ready = wait();
  await Bun.sleep(100);
  serve(each);
  expect(await ready).toBeNull();
  expect(performance.now() - begun).toBeWithin(100, 5_000);
});

test("the connections that it gets say by the PROXY protocol that they are no client's", async () => {
  const received: string[] = [];
  serve((socket) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("end", () => {
      received.push(text);
      socket.end();
    });
  });
  expect(await wait({ proxyProtocol: "v1" })).toBeNull();
  expect(await wait({ proxyProtocol: "v2" })).toBeNull();
  expect(await wait()).toBeNull();
  expect(received).toEqual(["PROXY UNKNOWN\r\n", "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", ""].flatMap((text) => [text, text]));
});

test("a server that listens and takes nobody is not ready", async () => {
  const fd = bindListener(place(), 8);
  cleanUps.push(() => closeDescriptor(fd));
  const begun = performance.now();
  expect(await wait({ timeout: 300 })).toMatch(
    /^it listens at .*socket and takes no connection; check that it accepts them$/,
  );
  expect(performance.now() - begun).toBeGreaterThan(290);
});

test("one that does not listen in time is told with the reason", async () => {
  expect(await wait({ timeout: 50 })).toMatch(/^there is no socket at .*socket; check that the program makes it/);
});

test("a server that closes its socket after the first connection is not ready", async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.destroy();
    server.close();
  }).listen(place().path);
  expect(await wait({ timeout: 400 })).toMatch(/^there is no socket at|^nothing listens at/);
});

test("waiting can be ended", async () => {
  const giveUp = new AbortController();
  const ready = wait({ timeout: Number.POSITIVE_INFINITY, signal: giveUp.signal });
  giveUp.abort();
  expect(await ready).toBeNull();
});

test("the time is that of both connections together", async () => {
  let clients = 0;
  serve((socket) => {
    if (++clients === 1) setTimeout(() => socket.destroy(), 1_200);
  });
  const begun = performance.now();
  expect(await wait({ timeout: 1_500 })).toMatch(/^it listens at .* and takes no connection/);
  expect(performance.now() - begun).toBeWithin(1_490, 2_300);
});

test("waiting can be ended between the two connections, and no other is made then", async () => {
  const giveUp = new AbortController();
  let clients = 0;
  serve((socket) => {
    clients++;
    socket.destroy();
    setTimeout(() => giveUp.abort(), 20);
  });
  expect(await wait({ timeout: Number.POSITIVE_INFINITY, signal: giveUp.signal })).toBeNull();
  expect(clients).toBe(1);
});
