import { afterEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { Socket, SocketHandler } from "bun";
import type { Address } from "../../src/address.ts";
import { Listener } from "../../src/proxy/listener.ts";
import type { Side } from "../../src/proxy/side.ts";
import { withOpenFilesLimit } from "../../src/system/process.ts";
import { bindListener, describe } from "../../src/system/sockets.ts";
import { Client } from "../support/client.ts";
import { waitFor } from "../support/wait.ts";

const cleanUps: (() => void)[] = [];

afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

/** A listener on a free port whose accepted sockets are kept. */
function listen(opened: (listener: Listener) => void = () => {}) {
  const fd = bindListener({ kind: "tcp", host: "127.0.0.1", port: 0 }, 128);
  const found = describe(fd);
  if (found.kind !== "listener") throw new Error("no listener");
  const sockets: Socket<Side>[] = [];
  const handlers: SocketHandler<Side> = {
    open: (socket) => {
      sockets.push(socket);
      opened(listener);
    },
    data: () => {},
  };
  const listener = new Listener({ fd, address: found.address, name: "Socket" }, handlers);
  cleanUps.push(() => {
    for (const socket of sockets) socket.terminate();
  });
  return { listener, sockets, address: found.address };
}

async function clients(address: Address, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const client = await Client.open(address);
    cleanUps.push(() => client[Symbol.dispose]());
  }
}

test("accepts, and while it pauses new connections wait in the kernel's queue", async () => {
  const { listener, sockets, address } = listen();
  await clients(address, 3);
  await Bun.sleep(50);
  expect(sockets).toHaveLength(0);
  listener.accept();
  await waitFor("three clients", () => sockets.length === 3);
  listener.pause();
  listener.pause();
  await clients(address, 2);
  await Bun.sleep(50);
  expect(sockets).toHaveLength(3);
  listener.accept();
  listener.accept();
  await waitFor("five clients", () => sockets.length === 5);
  listener.close();
});

test("a pause inside open lets not one client more in", async () => {
  const { listener, sockets, address } = listen((listener) => listener.pause());
  await clients(address, 5);
  for (let count = 1; count <= 5; count++) {
    listener.accept();
    await waitFor("the next client", () => sockets.length >= count);
    await Bun.sleep(20);
    expect(sockets).toHaveLength(count);
  }
  listener.close();
});

test("the queue is as long as the kernel grants, again after each pause", async () => {
  const { listener, address } = listen();
  // A Mac has SOMAXCONN of xnu's bsd/sys/socket.h.
  const granted = process.platform === "darwin" ? 128 : await Bun.file("/proc/sys/net/core/somaxconn").text();
  for (let times = 0; times < 2; times++) {
    listener.accept();
    // For a listening socket ss shows the length of the queue as Send-Q.
    const shown = await Bun.$`ss -Hltn sport = :${address.kind === "tcp" ? address.port : 0}`.text();
    expect(Number(shown.split(/\s+/)[2])).toBe(Math.min(4096, Number(granted)));
    listener.pause();
  }
  listener.close();
});

test("closing leaves no descriptor behind", async () => {
  const before = readdirSync("/dev/fd").length;
  const { listener } = listen();
  for (let times = 0; times < 10; times++) {
    listener.accept();
    listener.pause();
  }
  listener.accept();
  listener.close();
  await waitFor("the descriptors to be closed", () => readdirSync("/dev/fd").length <= before);
});

test("a probe of a listener that accepts changes nothing, and a paused one stays paused", async () => {
  const { listener, sockets, address } = listen();
  listener.probe();
  await clients(address, 1);
  listener.probe();
  await Bun.sleep(50);
  expect(sockets).toHaveLength(0);
  listener.accept();
  listener.probe();
  await clients(address, 2);
  listener.probe();
  await waitFor("three clients", () => sockets.length === 3);
  listener.close();
});

// A Mac's kernel drops a client for whom it has no descriptor.
test.skipIf(process.platform === "darwin")(
  "a probe out of descriptors lets clients wait until there are some",
  async () => {
    const { listener, sockets, address } = listen();
    await clients(address, 3);
    listener.accept();
    // In the same turn: Bun accepts nobody before.
    withOpenFilesLimit(3, () => listener.probe());
    expect(sockets).toHaveLength(0);
    await waitFor("three clients", () => sockets.length === 3);
    await clients(address, 1);
    await waitFor("one more", () => sockets.length === 4);
    listener.close();
  },
);

test.skipIf(process.platform === "darwin")(
  "a pause while clients are taken after a shortage lets not one more in",
  async () => {
    const { listener, sockets, address } = listen((listener) => listener.pause());
    await clients(address, 3);
    listener.accept();
    withOpenFilesLimit(3, () => listener.probe());
    await waitFor("the first client", () => sockets.length === 1);
    await Bun.sleep(50);
    expect(sockets).toHaveLength(1);
    listener.accept();
    expect(sockets).toHaveLength(2);
    listener.accept();
    await waitFor("the last client", () => sockets.length === 3);
    listener.close();
  },
);
