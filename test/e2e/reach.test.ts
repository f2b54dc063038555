import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { formatAddress } from "../../src/address.ts";
import { Client, order } from "../support/client.ts";
import { FaultyBackend } from "../support/faulty-backend.ts";
import { run, serve } from "../support/program-under-test.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

describe.each(["unix", "tcp"] as const)("%s", (kind) => {
  test("clients that come before the program listens are served when it does", async () => {
    using target = freeTarget(kind);
    await using daemon = await serve({ options: target.options });
    const clients: Client[] = [];
    for (let index = 0; index < 50; index++) clients.push(await order(daemon.address, { answer: 1_000 }));
    await daemon.logged(/the program does not listen at .* yet.* \((ENOENT|ECONNREFUSED)\); clients wait for it/);
    using backend = new FaultyBackend(target.address);
    for (const client of clients) {
      await client.over();
      expect([client.received, client.differsAt]).toEqual([1_000, null]);
      client.close();
    }
    await daemon.logged(/the program accepts connections at .* after \d+\.\d s; 1 waited for it/);
    expect(daemon.stderr.split("\n")).toHaveLength(4);
    expect([backend.made, backend.silent]).toEqual([50, 0]);
  });

  test("a client whose time to wait is over is closed with a sentence, and the daemon goes on", async () => {
    using target = freeTarget(kind);
    await using daemon = await serve({ options: [...target.options, "--connect-timeout", "300ms"] });
    const start = performance.now();
    using client = await order(daemon.address, { answer: 10 });
    await client.over();
    expect(performance.now() - start).toBeGreaterThan(290);
    expect(performance.now() - start).toBeLessThan(2_000);
    await daemon.logged(/error connecting to program: (there is no socket|nothing listens) at .*; check that /);
    using _backend = new FaultyBackend(target.address);
    using late = await order(daemon.address, { answer: 10 });
    await late.got(10);
  });

  test("while the program cannot be reached one client is let in and the rest stay in the kernel's queue", async () => {
    using target = freeTarget(kind);
    await using daemon = await serve({ options: target.options });
    const clients = await Promise.all(Array.from({ length: 20 }, () => order(daemon.address, { answer: 10 })));
    // ss names a process only behind connections that it has accepted.
    const accepted = async () => (await Bun.$`ss -Htnp`.text()).split(`pid=${daemon.pid},`).length - 1;
    await waitFor("the first to be let in", async () => (await accepted()) > 0);
    await Bun.sleep(200);
    expect(await accepted()).toBe(1);
    for (const client of clients) client.reset();
  });

  test("a client that leaves while its connect is still being tried leaves nothing behind", async () => {
    using target = freeTarget(kind);
    await using daemon = await serve({ options: [...target.options, "--log-level", "debug"] });
    const idle = daemon.descriptors;
    for (let times = 1; times <= 10; times++) {
      const client = await order(daemon.address, { answer: 10 });
      await Bun.sleep(20);
      client.reset();
      await waitFor("its end to be noticed", () => daemon.stderr.split("reset by the client\n").length > times);
    }
    await waitFor("the descriptors to return to the start", () => daemon.descriptors <= idle);
    using backend = new FaultyBackend(target.address);
    using client = await order(daemon.address, { answer: 10 });
    await client.got(10);
    expect([backend.made, backend.orders.length]).toEqual([1, 1]);
  });

  test("no connection is made to the program without a client", async () => {
    using target = freeTarget(kind);
    using backend = new FaultyBackend(target.address);
    await using daemon = await serve({ options: target.options });
    await Bun.sleep(500);
    expect(backend.made).toBe(0);
    using client = await order(daemon.address, { answer: 10 });
    await client.got(10);
    expect(backend.made).toBe(1);
  });
});

test("a TCP address that does not answer is given up with a sentence", async () => {
  using target = freeTarget("tcp");
  using _backend = new FaultyBackend(target.address, 0, { accepting: false });
  using _filling = await Client.open(target.address);
  await using daemon = await serve({ options: [...target.options, "--connect-timeout", "500ms"] });
  using client = await Client.open(daemon.address);
  await client.over();
  await daemon.logged(/error connecting to program: .* does not answer; check the address and the network/);
});

test("a host that nobody knows is told in a sentence at once", async () => {
  await using daemon = await serve({ options: ["--tcp-address", "no-such-host.invalid:80"] });
  using client = await Client.open(daemon.address);
  await client.over();
  await daemon.logged(
    /error connecting to program: the host of no-such-host\.invalid:80 is unknown \(.*\); check its name/,
  );
});

test("a socket that may not be used is told in a sentence at once", async () => {
  using target = freeTarget("unix");
  const folder = `${target.name}.folder`;
  mkdirSync(folder, { mode: 0o700 });
  chownSync(folder, 0, 0);
  const path = `${folder}/socket`;
  using _backend = new FaultyBackend({ kind: "unix", path });
  chmodSync(target.name.replace(/\/socket$/, ""), 0o755);
  await using daemon = await serve({
    through: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
    options: ["--socket-path", path],
  });
  using client = await Client.open(daemon.address);
  await client.over();
  await daemon.logged(/error connecting to program: permission denied at .*; check the owner and mode of the socket/);
});

test.each([
  [0o777, true],
  [0o1777, true],
  [0o755, false],
] as const)("a fixed path in a folder of mode %o, where others may put a socket: %p", async (mode, warned) => {
  using target = freeTarget("unix");
  chmodSync(target.name.replace(/\/socket$/, ""), mode);
  await using daemon = await serve({ options: target.options });
  expect(/others may write to .*; choose a folder/.test(daemon.stderr)).toBe(warned);
});

test("the target may not be an address that the daemon serves itself", async () => {
  using target = freeTarget("tcp");
  const { code, stderr } = await run(["--listen", formatAddress(target.address), ...target.options, "-"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^launch_socket_server: cannot relay to .*\n$/);
});
