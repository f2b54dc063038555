import { expect, test } from "bun:test";
import type { Address } from "../../src/address.ts";
import { type Client, order } from "../support/client.ts";
import { Command } from "../support/command.ts";
import { backendCommand, FaultyBackend, type Order } from "../support/faulty-backend.ts";
import { programUnderTest, serve } from "../support/program-under-test.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

async function openMany(count: number, address: Address, ask: (index: number) => Order): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => order(address, ask(index))));
}

test.each(["unix", "tcp"] as const)(
  "with 64 descriptors for a %s target it serves 60 clients, some at a time, and rests while it is full",
  async (kind) => {
    using target = freeTarget(kind);
    using backend = new FaultyBackend(target.address);
    await using daemon = await serve({
      through: ["sh", "-c", 'ulimit -n 64; exec "$0" "$@"'],
      options: target.options,
    });
    const idle = daemon.descriptors;
    const clients = await openMany(60, daemon.address, () => ({ answer: 100, last: "hold" }));
    const served = () => clients.filter(({ received }) => received === 100);
    await waitFor("some clients to be served", () => served().length >= 10);
    await daemon.usesLessThan(0.05);
    const atOnce = served().length;
    expect(atOnce).toBeLessThanOrEqual((64 - idle) / 2);
    expect(daemon.descriptors).toBeLessThan(64);
    expect(clients.every(({ state }) => state === "open")).toBe(true);
    // Each that leaves makes room for another; nobody is refused.
    const left = new Set(clients);
    while (left.size > 0) {
      for (const client of left) {
        if (client.received < 100) continue;
        client.close();
        left.delete(client);
      }
      await Bun.sleep(5);
    }
    await waitFor("the descriptors to return to the start", () => daemon.descriptors === idle);
    expect(backend.made).toBe(60);
    expect(clients.map(({ state }) => state).filter((state) => state === "reset")).toEqual([]);
  },
);

test("more connections than the limit on open files allows are not promised", async () => {
  using target = freeTarget("unix");
  await using daemon = await serve({
    through: ["sh", "-c", 'ulimit -n 64; exec "$0" "$@"'],
    options: [...target.options, "--max-connections", "1000"],
  });
  expect(daemon.stderr).toMatch(/--max-connections 1000 is more than the limit on open files allows; taking \d+\n/);
});

test("even with hardly any descriptors one client is served after the other", async () => {
  using target = freeTarget("unix");
  using _backend = new FaultyBackend(target.address);
  await using daemon = await serve({
    through: ["sh", "-c", 'ulimit -n 32; exec "$0" "$@"'],
    options: target.options,
  });
  const clients = await openMany(10, daemon.address, () => ({ answer: 1_000 }));
  for (const client of clients) {
    await client.over();
    client.close();
    expect([client.received, client.state]).toEqual([1_000, "ended"]);
  }
});

/** On a Mac a queue holds 128 (kern.ipc.somaxconn), and what comes on top at once is lost and tries again for a minute. */
const burst = programUnderTest.platform === "macos" ? 100 : 1_000;

test(`a burst of ${burst} clients on a Unix backlog of 8 is served`, async () => {
  using target = freeTarget("unix");
  using backend = new FaultyBackend(target.address, 8, { accepting: false });
  await using daemon = await serve({ options: target.options });
  const clients = await openMany(burst, daemon.address, () => ({ answer: 100 }));
  backend.accept();
  for (const client of clients) {
    await client.over();
    client.close();
  }
  expect(clients.filter(({ received, state }) => received !== 100 || state !== "ended")).toEqual([]);
  expect([backend.made, backend.silent]).toEqual([burst, 0]);
});

// Directly some of these clients fail: what overflows a TCP backlog is lost, also the last step of a handshake.
test("a burst of 100 clients on a TCP backlog of 8 is served", async () => {
  using target = freeTarget("tcp");
  await using _backend = new Command([...backendCommand, target.name, "8"]);
  await using daemon = await serve({ options: target.options });
  const clients = await openMany(100, daemon.address, () => ({ answer: 100 }));
  for (const client of clients) {
    await client.over(50_000);
    client.close();
  }
  expect(clients.filter(({ received, state }) => received !== 100 || state !== "ended")).toEqual([]);
});

test("clients that wait are served in the order in which they came", async () => {
  using target = freeTarget("unix");
  await using daemon = await serve({ options: target.options });
  const clients: Client[] = [];
  for (let index = 0; index < burst / 5; index++) {
    clients.push(await order(daemon.address, { answer: index + 1 }));
  }
  using backend = new FaultyBackend(target.address, 8);
  for (const client of clients) await client.over();
  for (const client of clients) client.close();
  expect(backend.orders.map((line) => (JSON.parse(line) as Order).answer)).toEqual(
    clients.map((_, index) => index + 1),
  );
});
