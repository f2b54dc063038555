import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "../../src/address.ts";
import { log } from "../../src/log.ts";
import { Relay } from "../../src/proxy/relay.ts";
import { bindListener, describe as inspect } from "../../src/system/sockets.ts";
import { connectionOf } from "../support/scripted-peer.ts";
import { seed } from "../support/seed.ts";
import { bytesFrom } from "../support/stream.ts";

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

const size = 24 * 2 ** 20;

/** A relay in front of a server whose connections `serve` gets; returns the port that clients connect to. */
async function relayTo(kind: "tcp" | "unix", serve: (socket: Socket) => void): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "bulk-"));
  const server: Server = createServer({ allowHalfOpen: true }, serve);
  await new Promise<void>((resolve) => {
    if (kind === "unix") server.listen(join(folder, "backend.sock"), resolve);
    else server.listen(0, "127.0.0.1", resolve);
  });
  const bound = server.address();
  const target: Address =
    typeof bound === "object" && bound !== null
      ? { kind: "tcp", host: "127.0.0.1", port: bound.port }
      : { kind: "unix", path: join(folder, "backend.sock") };
  const fd = bindListener({ kind: "tcp", host: "127.0.0.1", port: 0 }, 16);
  const listener = inspect(fd);
  if (listener.kind !== "listener" || listener.address.kind !== "tcp") throw new Error("not bound");
  const never = Number.POSITIVE_INFINITY;
  const relay = new Relay(
    [
      {
        sockets: [{ fd, address: listener.address, name: "Socket" }],
        target: { address: target, isGone: () => false, hasCrashed: () => false },
      },
    ],
    {
      connectTimeout: 5_000,
      maxConnections: 10,
      tcpKeepalive: never,
      idleTimeout: never,
      exitIdleTime: never,
      exitIdleAtRest: false,
      proxyProtocol: undefined,
      describeClients: false,
    },
    log,
  );
  relay.start();
  cleanUps.push(
    () => rmSync(folder, { recursive: true }),
    () => void server.close(),
    () => relay.close(),
  );
  return listener.address.port;
}

/** The same bytes for the same seed (a linear congruential generator; Numerical Recipes' constants). */
function pattern(seed: number): Buffer {
  const words = new Uint32Array(size / 4);
  for (let index = 0, state = seed; index < words.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[index] = state;
  }
  return Buffer.from(words.buffer);
}

/** The hash of what comes until the end, read with a pause after about every `often` bytes. */
function hashOf(socket: Socket, often: number): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  let unpaused = 0;
  return new Promise((resolve, reject) => {
    socket.on("data", (chunk) => {
      hash.update(chunk);
      unpaused += chunk.length;
      if (unpaused < often) return;
      unpaused = 0;
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    });
    socket.on("end", () => resolve(hash.digest("hex"))).on("error", reject);
  });
}

describe("with real sockets", () => {
  test.each([
    ["unix", Number.POSITIVE_INFINITY],
    ["unix", 300_000],
    ["tcp", 300_000],
  ] as const)(
    "much data in both directions at once arrives unchanged (%s, a pause after %p bytes)",
    async (kind, often) => {
      const [up, down] = [pattern(seed), pattern(seed + 1)];
      const received = Promise.withResolvers<string>();
      const port = await relayTo(kind, (socket) => {
        socket.end(down);
        received.resolve(hashOf(socket, often));
      });
      const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      cleanUps.push(() => client.destroy());
      client.end(up);
      expect(await hashOf(client, often)).toBe(Bun.SHA256.hash(down, "hex"));
      expect(await received.promise).toBe(Bun.SHA256.hash(up, "hex"));
    },
  );

  test("a reset in the middle of much data is a reset for the client, behind all the data", async () => {
    const port = await relayTo("tcp", (socket) => {
      socket.on("error", () => {});
      socket.write(pattern(seed), () => void sleep(20).then(() => socket.resetAndDestroy()));
    });
    const client = connect({ port, host: "127.0.0.1" });
    cleanUps.push(() => client.destroy());
    let received = 0;
    client.on("data", (chunk) => {
      received += chunk.length;
    });
    const ending = await new Promise<string>((resolve) => {
      client.on("error", (error) => resolve((error as { code?: string }).code ?? error.message));
      client.on("end", () => resolve("an orderly end"));
    });
    expect(ending).toBe("ECONNRESET");
    expect(received).toBeGreaterThan(0);
  });
});

describe("with scripted peers", () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => {
    jest.clearAllTimers();
    jest.useRealTimers();
  });

  /** More turns of the event loop than a transfer that has paused is followed. */
  async function fewTurns(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  test("a transfer is read turn by turn until one brings none, then Bun reads again", async () => {
    const it = connectionOf();
    it.backendPeer.data(65_536);
    expect(it.backendPeer.paused).toBe(true);
    await fewTurns();
    expect(it.backendPeer.paused).toBe(false);
    it.connection.close("stopped");
  });

  test("a client that has much to take yet keeps its program from being read at will, until it has caught up", async () => {
    const it = connectionOf();
    const others = jest.getTimerCount();
    it.clientPeer.unsent = 2 ** 21;
    it.backendPeer.data(65_536);
    await fewTurns();
    expect(it.backendPeer.paused).toBe(true);
    jest.advanceTimersByTime(100);
    it.client.outbound.flush();
    expect(it.backendPeer.paused).toBe(true);
    expect(jest.getTimerCount()).toBe(others + 1);
    it.clientPeer.unsent--;
    jest.advanceTimersByTime(16);
    expect(it.backendPeer.paused).toBe(false);
    expect(jest.getTimerCount()).toBe(others);
    it.connection.close("stopped");
  });

  test("a client that takes nothing any more while its program is kept back keeps it back until it does", async () => {
    const it = connectionOf();
    it.clientPeer.unsent = 2 ** 21;
    it.backendPeer.data(65_536);
    await fewTurns();
    it.clientPeer.room = 0;
    it.backendPeer.data(1_000);
    it.clientPeer.unsent = 0;
    jest.advanceTimersByTime(100);
    expect(it.backendPeer.paused).toBe(true);
    it.clientPeer.take(1_000);
    await fewTurns();
    expect(it.backendPeer.paused).toBe(false);
    it.connection.close("stopped");
  });

  test("a side that is closed while it is followed is left alone", async () => {
    const it = connectionOf();
    it.backendPeer.data(65_536);
    it.backendPeer.close();
    await fewTurns();
    expect(it.client.closed || it.backend.closed).toBe(true);
    it.connection.close("stopped");
  });

  test("what is read for a TCP sink becomes less before the sink is full", () => {
    const it = connectionOf();
    const lengths: number[] = [];
    it.owner.kernel.sendRoom = () => 200_000;
    it.owner.kernel.readableBytes = () => 1_000_000;
    it.owner.kernel.receiveInto = (_fd, buffer, length) => {
      buffer.set(bytesFrom(65_536 + lengths.reduce((sum, one) => sum + one, 0), length));
      lengths.push(length);
      return length;
    };
    it.backendPeer.room = 65_536 + 200_000;
    it.clientPeer.data(65_536);
    expect([lengths[0], lengths[1], lengths.at(-1)]).toEqual([48 * 1024, 48 * 1024, 8 * 1024]);
    expect(it.up.undelivered).toBeLessThan(8 * 1024);
    expect(it.clientPeer.paused).toBe(true);
    it.connection.close("stopped");
  });

  test("what is read for a Unix sink is what it has room for, and 8 KiB where it has none", () => {
    const it = connectionOf({ backend: "unix" });
    const lengths: number[] = [];
    it.owner.kernel.sendRoom = () => it.backendPeer.room;
    it.owner.kernel.readableBytes = () => 1_000_000;
    it.owner.kernel.receiveInto = (_fd, buffer, length) => {
      buffer.set(bytesFrom(65_536 + lengths.reduce((sum, one) => sum + one, 0), length));
      lengths.push(length);
      return length;
    };
    it.backendPeer.room = 65_536 + 262_144 + 30_000;
    it.clientPeer.data(65_536);
    const whole = process.platform === "darwin" ? [131_072, 131_072] : [262_144];
    expect(lengths).toEqual([...whole, 30_000, 8_192]);
    expect(it.up.undelivered).toBe(8_192);
    expect(it.clientPeer.paused).toBe(true);
    it.connection.close("stopped");
  });

  test("a TCP server is limited once much has come, or more than its client takes, and a client never is", () => {
    const small = connectionOf();
    small.backendPeer.data(1_000);
    expect(small.backendPeer.receiveBuffers).toEqual([]);
    small.clientPeer.room = 500;
    small.backendPeer.data(1_000);
    small.backendPeer.data(100_000);
    expect(small.backendPeer.receiveBuffers).toEqual([128 * 1024]);
    small.connection.close("stopped");
    const upload = connectionOf();
    upload.backendPeer.room = 500;
    upload.clientPeer.data(100_000);
    expect([upload.clientPeer.receiveBuffers, upload.backendPeer.receiveBuffers]).toEqual([[], []]);
    upload.connection.close("stopped");
  });

  test("much data of a TCP server that has gone already is handed over: it has no address any more", () => {
    const it = connectionOf();
    it.backendPeer.remoteAddress = undefined;
    it.backendPeer.data(100_000);
    it.backendPeer.close();
    expect([it.clientPeer.written, it.backendPeer.receiveBuffers]).toEqual([100_000, [128 * 1024]]);
    it.connection.close("stopped");
  });
});
