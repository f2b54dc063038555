import { describe, expect, test } from "bun:test";
import { type Client, order } from "../support/client.ts";
import { Command } from "../support/command.ts";
import { backendCommand, FaultyBackend } from "../support/faulty-backend.ts";
import { programUnderTest, serve } from "../support/program-under-test.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

const megabyte = 2 ** 20;

test.each(["unix", "tcp"] as const)(
  "200 clients that never read while a %s program floods cost less than 50 MB",
  async (kind) => {
    using target = freeTarget(kind);
    await using server = new Command([...backendCommand, target.name]);
    await using daemon = await serve({ options: target.options });
    (await (await order(daemon.address, { answer: 1_000_000 })).over()).close();
    const start = daemon.memory;
    const clients: Client[] = [];
    for (let index = 0; index < 200; index++) {
      clients.push(await order(daemon.address, { answer: 100_000_000 }, { reading: false }));
    }
    // Nothing moves any more when the daemon rests.
    let most = 0;
    for (let resting = 0; resting < 3; ) {
      resting = (await daemon.load(300)) < 0.05 ? resting + 1 : 0;
      most = Math.max(most, daemon.memory);
    }
    const [kept, peak] = [daemon.memory - start, most - start].map((bytes) => bytes / megabyte) as [number, number];
    console.log(`${kind}: ${kept.toFixed(1)} MB for 200 clients, ${peak.toFixed(1)} MB at the highest`);
    expect(kept).toBeLessThan(50);
    // They were paused, not dropped: one of them still gets what it asked for.
    const [first] = clients as [Client];
    first.resume();
    await first.got(20_000_000);
    expect(first.differsAt).toBeNull();
    for (const client of clients) client.reset();
    expect(server.process.killed).toBe(false);
  },
);

describe("clients that upload at once to a program which reads nothing", () => {
  // A TCP backend's kernel side holds up to 4 MB (net.ipv4.tcp_wmem): the last row is more than that. A Mac cannot tell how much a
  // Unix socket takes (SO_NWRITE in xnu's bsd/kern/uipc_socket.c), so that what was read of a client at once is kept.
  test.each([
    ["unix", 300, 4_000_000, programUnderTest.platform === "macos" ? 60 : 12],
    ["tcp", 300, 4_000_000, 12],
    ["tcp", 100, 9_000_000, 12],
  ] as const)("on %s, %i of %i bytes each, cost less than %i MB", async (kind, count, size, bound) => {
    using target = freeTarget(kind);
    using backend = new FaultyBackend(target.address);
    await using daemon = await serve({ options: target.options });
    (await (await order(daemon.address, { answer: 10 })).over()).close();
    const start = daemon.memory;
    const upload = new Uint8Array(size);
    const clients = await Promise.all(
      Array.from({ length: count }, async () =>
        (await order(daemon.address, { deaf: true, last: "keep" })).send(upload),
      ),
    );
    await waitFor("all to be connected", () => backend.open === count, 20_000);
    // Garbage is collected once it rests.
    for (let resting = 0; resting < 4; ) resting = (await daemon.load(300)) < 0.05 ? resting + 1 : 0;
    const kept = (daemon.memory - start) / megabyte;
    console.log(`${kind}: ${kept.toFixed(1)} MB for ${count} stuck uploads`);
    expect(kept).toBeLessThan(bound);
    for (const client of clients) client.reset();
  });
});

test.each(["unix", "tcp"] as const)(
  "10,000 connections to a %s program leave no memory and no descriptor behind",
  async (kind) => {
    using target = freeTarget(kind);
    using backend = new FaultyBackend(target.address);
    await using daemon = await serve({ options: target.options });
    const connect = async (count: number) => {
      for (let index = 0; index < count; index += 20) {
        await Promise.all(
          Array.from({ length: 20 }, async () => {
            const client = await (await order(daemon.address, { answer: 1_000 })).over();
            expect(client.received).toBe(1_000);
            client.close();
          }),
        );
      }
      await waitFor("all to be over", () => backend.open === 0);
    };
    const descriptors = daemon.descriptors;
    await connect(1_000);
    const start = daemon.memory;
    await connect(10_000);
    await waitFor("the descriptors to be closed", () => daemon.descriptors <= descriptors + 2);
    // Garbage comes and goes: what counts is what stays.
    await waitFor(
      () => `${start / megabyte} MB, of which there are ${daemon.memory / megabyte}`,
      () => (daemon.memory - start) / megabyte < 5,
      15_000,
    );
  },
);
