import { afterEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { parseAddress } from "../src/address.ts";
import { Copies, type CopySettings } from "../src/copies.ts";
import { Copy } from "../src/copy.ts";
import type { Log } from "../src/log.ts";
import { Relay } from "../src/proxy/relay.ts";
import { routesOf } from "../src/settings/routes.ts";
import { bindListener, describe as inspect } from "../src/system/sockets.ts";
import { Client } from "./support/client.ts";
import { type Version, VersionedServer } from "./support/versions.ts";
import { waitFor } from "./support/wait.ts";

const cleanUps: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const never = Number.POSITIVE_INFINITY;
const standard: CopySettings = {
  connectTimeout: 10_000,
  drainTimeout: 10_000,
  stopTimeout: 5_000,
  proxyProtocol: undefined,
  route: [],
  tcpAddress: undefined,
  socketPath: undefined,
};

/** A relay in this process, to a server of that version which it has started. */
async function running(first: Version = { name: "old" }, settings: Partial<CopySettings> = {}) {
  const server = new VersionedServer(first);
  cleanUps.push(() => server[Symbol.dispose]());
  const all = { ...standard, ...settings };
  const start = () => Copy.start(server.command, routesOf(all), { ...process.env, TMPDIR: server.folder });
  const copy = start();
  const nobody = () => {};
  const log = { error: nobody, warn: nobody, info: nobody, debug: nobody } as unknown as Log;
  const fd = bindListener({ kind: "tcp", host: "127.0.0.1", port: 0 }, 128);
  const found = inspect(fd);
  if (found.kind !== "listener" || found.address.kind !== "tcp") throw new Error("no listener");
  const sockets = [{ fd, address: found.address, name: "Socket" }];
  const routes = copy.targets.map((target) => ({ sockets, target }));
  const limits = {
    tcpKeepalive: never,
    idleTimeout: never,
    exitIdleAtRest: false,
    exitIdleTime: never,
    maxConnections: 100,
  };
  const relay = new Relay(routes, { ...all, ...limits, describeClients: false }, log);
  const copies = new Copies(copy, start, relay, all);
  cleanUps.push(async () => {
    copies.halt();
    relay.close();
    for (const copy of [copies.serving, copies.other]) await copy?.program?.end("SIGKILL", never);
    copies.remove();
  });
  relay.start();
  const origin = `http://127.0.0.1:${found.address.port}`;
  /** A new connection for each request. */
  const get = async (path = "/") => (await fetch(origin + path, { keepalive: false })).text();
  const version = async () => (await get()).split(" ")[0];
  expect(await version()).toBe(first.name);
  const over = async () => {
    await waitFor(
      () => JSON.stringify(copies.reloading),
      () => copies.reloading?.phase === "done" || copies.reloading?.phase === "failed",
      20_000,
    );
    return copies.reloading;
  };
  return { server, copies, relay, origin, get, version, over };
}

function folderOf(copy: Copy): string {
  const [target] = copy.targets;
  return target?.address.kind === "unix" ? dirname(target.address.path) : "";
}

describe("a reload", () => {
  test("lets a new copy take over, and what the old one transfers is whole", async () => {
    const { server, copies, get, version, over } = await running();
    const old = copies.serving;
    const slow = get("/slow?n=15&ms=100");
    server.deploy({ name: "new" });
    copies.reload();
    const answers = new Set<string | undefined>();
    while (copies.reloading?.phase === "starting") answers.add(await version());
    expect(copies.reloading?.phase).toBe("draining");
    expect([...answers][0]).toBe("old");
    expect(await version()).toBe("new");
    expect(old.program?.running).toBe(true);
    expect(await slow).toMatch(/^(line \d+\n){15}old$/);
    expect(await over()).toMatchObject({ phase: "done", connections: { left: 0, cut: 0 }, problem: null });
    expect([old.program?.running, existsSync(folderOf(old))]).toEqual([false, false]);
    expect([copies.other, await version()]).toEqual([null, "new"]);
  });

  test("is begun before the new copy is started, which may take longer than an answer may", async () => {
    const { server, copies, over } = await running({ name: "old" }, { drainTimeout: 100 });
    server.deploy({ name: "new" });
    copies.reload();
    expect([copies.reloading?.phase, copies.other]).toEqual(["starting", null]);
    expect(() => copies.reload()).toThrow("another reload is under way; wait for its end");
    expect((await over())?.phase).toBe("done");
  });

  test("that is begun while the daemon is told to stop starts nothing", async () => {
    const { copies } = await running();
    copies.reload();
    copies.halt();
    await Bun.sleep(50);
    expect(copies.other).toBeNull();
  });

  test("is done at once where the old copy has no connection", async () => {
    const { server, copies, version, over } = await running({ name: "old" }, { drainTimeout: 100 });
    for (const name of ["second", "third", "fourth"]) {
      server.deploy({ name });
      copies.reload();
      expect((await over())?.phase).toBe("done");
      expect(await version()).toBe(name);
    }
  });

  test("cuts what is still under way at the end of its time, and counts it", async () => {
    const { server, copies, get, version, over } = await running({ name: "old" }, { drainTimeout: 300 });
    const slow = get("/slow?n=100&ms=100").catch(() => "cut");
    await waitFor("the transfer", () => copies.relay.connectionsTo(copies.serving.targets).length === 1);
    server.deploy({ name: "new" });
    copies.reload();
    expect(await over()).toMatchObject({ phase: "done", connections: { left: 0, cut: 1 } });
    expect(await slow).not.toEndWith("old");
    expect(await version()).toBe("new");
  });

  test("ends a connection at rest in order at the end of its time, and does not count it as cut", async () => {
    const { server, copies, origin, version, over } = await running({ name: "old" }, { drainTimeout: 1_200 });
    const client = await Client.open(parseAddress(origin.slice("http://".length)));
    cleanUps.push(() => client[Symbol.dispose]());
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n");
    await client.got(100);
    server.deploy({ name: "new" });
    copies.reload();
    expect(await over()).toMatchObject({ phase: "done", connections: { before: 1, left: 0, cut: 0 } });
    expect((await client.over()).state).toBe("ended");
    expect(await version()).toBe("new");
  });

  test("waits for a server that listens but does not take connections yet, and has clients served by the old one", async () => {
    const { server, copies, version, over } = await running();
    server.deploy({ name: "new", load: 800 });
    copies.reload();
    let longest = 0;
    const seen: (string | undefined)[] = [];
    while (seen.at(-1) !== "new") {
      const before = performance.now();
      seen.push(await version());
      longest = Math.max(longest, performance.now() - before);
    }
    expect(seen.filter((name) => name === "old").length).toBeGreaterThan(10);
    expect(longest).toBeLessThan(600);
    expect((await over())?.phase).toBe("done");
  });
});

test("an old copy that crashes while it drains has all its connections cut, also those that end shortly before it", async () => {
  const destroyed = `
    const sockets = new Set();
    server.on("connection", (socket) => sockets.add(socket));
    process.on("SIGUSR2", () => {
      for (const socket of sockets) socket.destroy();
      setTimeout(() => process.kill(process.pid, "SIGKILL"), 5);
    });`;
  const { server, copies, get, over } = await running({ name: "0", afterwards: destroyed });
  for (let round = 1; round <= 5; round++) {
    const { targets, program } = copies.serving;
    const transfers = Array.from({ length: 3 }, () => get("/slow?n=100&ms=100").catch(() => "cut"));
    await waitFor("the transfers", () => copies.relay.connectionsTo(targets).length === 3);
    server.deploy({ name: String(round), afterwards: destroyed });
    copies.reload();
    await waitFor("the switch", () => copies.reloading?.phase === "draining");
    await Bun.sleep(20 + 5 * round);
    program?.signal("SIGUSR2");
    expect(await over()).toMatchObject({ phase: "done", connections: { before: 3, left: 0, cut: 3 } });
    await Promise.all(transfers);
  }
});

describe("a new copy that", () => {
  test("ends before it listens is not switched to", async () => {
    const { server, copies, version, over } = await running();
    const old = copies.serving;
    server.deploy({ name: "new", first: "process.exit(3);" });
    copies.reload();
    expect(await over()).toMatchObject({
      phase: "failed",
      problem: expect.stringMatching(/^the new copy, process \d+, has ended: exit status 3; process \d+ goes on$/),
    });
    expect([copies.serving === old, copies.other, await version()]).toEqual([true, null, "old"]);
  });

  test("ends as soon as it listens is not switched to", async () => {
    const { server, copies, version, over } = await running();
    server.deploy({ name: "new", afterwards: "setTimeout(() => process.exit(4), 20);" });
    copies.reload();
    expect((await over())?.problem).toContain("exit status 4");
    expect(await version()).toBe("old");
  });

  test("does not listen in time is stopped, and its folder is removed", async () => {
    const { server, copies, version, over } = await running({ name: "old" }, { connectTimeout: 400 });
    const old = copies.serving;
    server.deploy({ name: "new", first: "await new Promise(() => { setInterval(() => {}, 1000) });" });
    copies.reload();
    await waitFor("the new copy", () => copies.other !== null);
    const { other } = copies;
    if (other === null) throw new Error("no new copy");
    const { problem } = (await over()) ?? {};
    expect(problem).toMatch(
      /^the new copy, process \d+, does not serve: there is no socket at .*socket; check that the program makes it/,
    );
    expect([other.program?.running, existsSync(folderOf(other))]).toEqual([false, false]);
    expect([copies.serving === old, await version()]).toEqual([true, "old"]);
  });

  test("cannot be started is told of", async () => {
    const { copies, version } = await running();
    const failing = new Copies(
      copies.serving,
      () => Copy.start(["/nonexistent/server"], routesOf(standard), {}),
      copies.relay,
      standard,
    );
    failing.reload();
    await waitFor("the failure", () => failing.reloading?.phase === "failed");
    expect(failing.reloading).toMatchObject({
      phase: "failed",
      problem: expect.stringMatching(
        /^cannot start program `\/nonexistent\/server': there is no such file.*; process \d+ goes on$/,
      ),
    });
    expect(await version()).toBe("old");
  });

  test("dies while the old one drains hands the new connections back", async () => {
    const { server, copies, get, version, over } = await running();
    const old = copies.serving;
    const slow = get("/slow?n=20&ms=100");
    server.deploy({ name: "new" });
    copies.reload();
    await waitFor("the switch", () => copies.reloading?.phase === "draining");
    expect(await version()).toBe("new");
    copies.serving.program?.signal("SIGKILL");
    await waitFor("the way back", () => copies.serving === old);
    expect(await version()).toBe("old");
    expect(await over()).toMatchObject({
      phase: "failed",
      problem: expect.stringMatching(/has ended: signal: killed; process \d+ has the new connections again$/),
    });
    expect(await slow).toEndWith("old");
    server.deploy({ name: "third" });
    copies.reload();
    expect((await over())?.phase).toBe("done");
    expect(await version()).toBe("third");
  });
});

test("the end of the program during a reload is told as ever, unless there is one to go back to", async () => {
  const { server, copies } = await running();
  server.deploy({ name: "new", first: "await new Promise(() => { setInterval(() => {}, 1000) });" });
  copies.reload();
  copies.serving.program?.signal("SIGKILL");
  expect(await copies.ended).toEqual({ kind: "signal", signal: "SIGKILL" });
});

describe("is refused", () => {
  const refusal = (copies: Copies) => {
    try {
      copies.reload();
      return "begun";
    } catch (error) {
      return String((error as Error).message);
    }
  };

  test("during a reload and during a stop", async () => {
    const { server, copies, over } = await running({ name: "old" }, { drainTimeout: 100 });
    server.deploy({ name: "new" });
    expect(refusal(copies)).toBe("begun");
    expect(refusal(copies)).toBe("another reload is under way; wait for its end");
    await over();
    copies.halt();
    expect(refusal(copies)).toBe("the daemon is stopping; its next start runs the new version");
  });

  test.each([
    { tcpAddress: { kind: "tcp", host: "", port: 80 } },
    { socketPath: { kind: "unix", path: "/tmp/x" } },
    {
      route: [
        { name: "Web", target: null },
        { name: "Tls", target: { kind: "tcp", host: "", port: 443 } },
      ],
    },
  ] as Partial<CopySettings>[])("where a target is fixed: %j", async (settings) => {
    const { copies } = await running();
    const fixed = new Copies(copies.serving, copies.start, copies.relay, { ...standard, ...settings });
    expect(refusal(fixed)).toMatch(/ is reached at a fixed address, where two copies cannot be; use --restart$/);
  });

  test("where no program is run", async () => {
    const { copies } = await running();
    const socketPath = { kind: "unix", path: "/tmp/x" } as const;
    const settings = { ...standard, socketPath };
    const none = new Copies(Copy.start(null, routesOf(settings), {}), copies.start, copies.relay, settings);
    expect(refusal(none)).toMatch(/^no program is run here \(-\)/);
  });

  test("while the program has not made its socket, and when its folder is gone", async () => {
    const { server, copies } = await running();
    server.deploy({ name: "new", first: "await new Promise(() => { setInterval(() => {}, 1000) });" });
    const starting = copies.start();
    cleanUps.push(async () => {
      await starting.program?.end("SIGKILL", never);
      starting.remove();
    });
    const early = new Copies(starting, copies.start, copies.relay, standard);
    expect(refusal(early)).toMatch(/^the program is still starting/);
    starting.remove();
    expect(refusal(early)).toMatch(/^the folder of the program's socket was removed; use --restart$/);
  });
});
