import { expect, test } from "bun:test";
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

// A Mac cannot tell how much a Unix socket takes, and memory under the loader means nothing.
test.skipIf(programUnderTest.platform === "macos")(
  "300 clients that upload to a program on a Unix socket which reads nothing cost less than 12 MB",
  async () => {
    using target = freeTarget("unix");
    using backend = new FaultyBackend(target.address);
    await using daemon = await serve({ options: target.options });
    (await (await order(daemon.address, { answer: 10 })).over()).close();
    const start = daemon.memory;
    const upload = new Uint8Array(4_000_000);
    const clients: Client[] = [];
    for (let index = 0; index < 300; index++) {
      clients.push((await order(daemon.address, { deaf: true, last: "keep" })).send(upload));
    }
    await waitFor("all to be connected", () => backend.open === 300, 20_000);
    for (let resting = 0; resting < 3; ) resting = (await daemon.load(300)) < 0.05 ? resting + 1 : 0;
    const kept = (daemon.memory - start) / megabyte;
    console.log(`${kept.toFixed(1)} MB for 300 stuck uploads`);
    expect(kept).toBeLessThan(12);
    for (const client of clients) client.reset();
  },
);

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
