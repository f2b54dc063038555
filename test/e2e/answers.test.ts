/** What a daemon answers of itself, over its socket in /tmp. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { resolve } from "node:path";
import { version } from "../../package.json";
import { formatAddress } from "../../src/address.ts";
import { ask, askStatus, NoAnswer } from "../../src/control/client.ts";
import { folderOf, socketIn } from "../../src/control/folder.ts";
import type { Status } from "../../src/control/protocol.ts";
import { controlDescriptors } from "../../src/control/server.ts";
import { Client, order } from "../support/client.ts";
import { Command } from "../support/command.ts";
import { backendCommand, FaultyBackend } from "../support/faulty-backend.ts";
import { programUnderTest, serve, start } from "../support/program-under-test.ts";
import { Stage, socket } from "../support/stage.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

const uid = process.geteuid?.() ?? 0;
const folder = folderOf(uid);
const isRoot = uid === 0;

/** Waits until the daemon's account fits. */
async function until(daemon: { pid: number }, fits: (status: Status) => boolean): Promise<Status> {
  let last: Status | undefined;
  return waitFor(
    () => `an answer that fits; the last was ${JSON.stringify(last)}`,
    async () => {
      last = await askStatus(daemon.pid);
      return fits(last) ? last : null;
    },
  ) as Promise<Status>;
}

describe("the account", () => {
  test("of a daemon and its program", async () => {
    const before = Date.now();
    await using daemon = await serve({ program: [...backendCommand] });
    const status = await askStatus(daemon.pid);
    const [program] = status.programs;
    expect(status).toEqual({
      version,
      pid: daemon.pid,
      label: null,
      unit: null,
      since: expect.any(String),
      addresses: [{ listen: formatAddress(daemon.address), target: formatAddress(daemon.target) }],
      programs: [
        {
          pid: expect.any(Number),
          command: [...backendCommand],
          since: expect.any(String),
          state: "running",
          connections: 0,
        },
      ],
      connections: { now: 0, waiting: 0, capacity: expect.any(Number), atCapacity: false, total: 0 },
      bytes: { up: 0, down: 0 },
      waitingFor: null,
      lastFailure: null,
      reload: null,
    });
    expect(readFileSync(`/proc/${program?.pid}/cmdline`, "utf8")).toContain("faulty-backend.ts");
    for (const time of [status.since, program?.since ?? ""]) {
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(Date.parse(time)).toBeWithin(before - 1_000, Date.now() + 1);
    }
  });

  test("of connections and their bytes, while they are open and afterwards", async () => {
    using target = freeTarget("unix");
    using _backend = new FaultyBackend(target.address);
    await using daemon = await serve({ options: [...target.options, "--max-connections", "2"] });
    const line = (answer: number) => `${JSON.stringify({ answer, last: "hold" })}\n`;
    const [first, second, third] = [1_000, 2_000, 4_000].map(line) as [string, string, string];
    using one = await Client.open(daemon.address);
    await one.send(first).got(1_000);
    expect(await askStatus(daemon.pid)).toMatchObject({
      programs: [],
      connections: { now: 1, waiting: 0, capacity: 2, atCapacity: false, total: 1 },
      bytes: { up: first.length, down: 1_000 },
    });
    using two = await Client.open(daemon.address);
    await two.send(second).got(2_000);
    using three = await Client.open(daemon.address);
    three.send(third);
    expect(await askStatus(daemon.pid)).toMatchObject({
      connections: { now: 2, capacity: 2, atCapacity: true, total: 2 },
      bytes: { up: first.length + second.length, down: 3_000 },
    });
    one.close();
    await three.got(4_000);
    two.close();
    three.close();
    const status = await until(daemon, ({ connections }) => connections.now === 0);
    expect(status).toMatchObject({
      connections: { now: 0, waiting: 0, atCapacity: false, total: 3 },
      bytes: { up: first.length + second.length + third.length, down: 7_000 },
      lastFailure: null,
      reload: null,
    });
  });

  test("of what clients wait for, and of the last failure", async () => {
    using target = freeTarget("unix");
    await using daemon = await serve({
      options: [...target.options, "--connect-timeout", "2s"],
      program: ["sleep", "100"],
    });
    using client = await Client.open(daemon.address);
    expect(await until(daemon, ({ waitingFor }) => waitingFor !== null)).toMatchObject({
      programs: [{ state: "starting", connections: 1 }],
      connections: { now: 1, waiting: 1 },
      waitingFor: `the program, which does not listen at ${target.name} yet (ENOENT)`,
    });
    const before = Date.now();
    await client.over();
    const status = await until(daemon, ({ connections }) => connections.now === 0);
    expect(status).toMatchObject({
      waitingFor: null,
      lastFailure: { reason: expect.stringMatching(/^error connecting to program: there is no socket at /) },
    });
    expect(Date.parse(status.lastFailure?.at ?? "")).toBeWithin(before - 1_000, Date.now() + 1);
    using backend = new FaultyBackend(target.address);
    using served = await order(daemon.address, { answer: 10, last: "hold" });
    await served.got(10);
    expect(backend.made).toBe(1);
    expect(await askStatus(daemon.pid)).toMatchObject({ waitingFor: null, programs: [{ state: "running" }] });
  });

  test("of a daemon that stops", async () => {
    await using daemon = await serve({ program: ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"] });
    await daemon.printed(/up/);
    daemon.signal("SIGTERM");
    await until(daemon, ({ programs }) => programs[0]?.state === "stopping");
  });

  test("of a job of the launchd stand-in has its label", async () => {
    await using stage = await Stage.set();
    const job = await stage.load({
      Sockets: { Socket: socket("127.0.0.1", 0) },
      RunAtLoad: true,
      ProgramArguments: [stage.program, "sleep", "100"],
    });
    const pid = await job.waitFor("its start", () => job.pid);
    // Its socket is there a moment before it listens.
    expect(await waitFor("its answer", () => askStatus(pid ?? 0).catch(() => null))).toMatchObject({
      pid,
      label: programUnderTest.activation === "launchd" ? job.label : null,
      addresses: [{ listen: `127.0.0.1:${job.port()}` }],
    });
  });

  test("is not to be had of a program that got the sockets", async () => {
    const program = ["sh", "-c", "echo up; exec sleep 100"];
    await using daemon = start(["--listen", "127.0.0.1:0", "--pass-sockets", ...program]);
    await daemon.printed(/up/);
    expect(existsSync(socketIn(folder, daemon.pid))).toBe(false);
    const error = await askStatus(daemon.pid).catch((error) => error);
    expect(error).toBeInstanceOf(NoAnswer);
    expect(error.kind).toBe("no socket");
    expect(error.message).toContain("has become its program by --pass-sockets");
  });
});

describe("its socket", () => {
  /** Nobody connects to it. */
  const target = ["--tcp-address", "127.0.0.1:9"];

  test("is its user's alone, and is gone once it has ended", async () => {
    await using daemon = await serve({ options: target });
    const path = socketIn(folder, daemon.pid);
    expect(lstatSync(folder)).toMatchObject({ uid, mode: 0o40700 });
    expect(lstatSync(path).isSocket()).toBe(true);
    daemon.signal("SIGTERM");
    expect(await daemon.exited).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test("is gone too where the daemon ends by itself", async () => {
    await using daemon = await serve({ program: ["sh", "-c", "sleep 0.5; exit 3"] });
    expect(await daemon.exited).toBe(1);
    expect(existsSync(socketIn(folder, daemon.pid))).toBe(false);
  });

  test("of one that was killed is removed by the next", async () => {
    await using killed = await serve({ options: target });
    const path = socketIn(folder, killed.pid);
    expect(existsSync(path)).toBe(true);
    killed.signal("SIGKILL");
    await killed.exited;
    await using _next = await serve({ options: target });
    expect(existsSync(path)).toBe(false);
  });

  test("is not inherited by the program, nor by a copy that is started later", async () => {
    await using daemon = await serve({ program: [...backendCommand] });
    // The sockets of a process, by their inodes (proc_pid_fd(5)), but for its output, which may be one.
    const sockets = (pid: number) =>
      readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
        if (Number(fd) <= 2) return [];
        try {
          const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
          return target.startsWith("socket:") ? [target] : [];
        } catch {
          // It has been closed since the folder was read.
          return [];
        }
      });
    const programs = async () => (await askStatus(daemon.pid)).programs.map(({ pid }) => pid);
    const [first = 0] = await programs();
    // It has to be reached once before another can take over.
    using client = await order(daemon.address, { answer: 1, last: "close" });
    await client.got(1);
    await ask(daemon.pid, { command: "reload" });
    const second = await waitFor("another copy", async () => (await programs()).find((pid) => pid !== first));
    // Until its exec(2) it is a copy of the daemon, descriptors and all.
    await waitFor("its exec", () => readFileSync(`/proc/${second}/cmdline`, "utf8").startsWith(process.execPath));
    await waitFor("it to listen", () => sockets(second ?? 0).length > 0);
    const ours = sockets(daemon.pid);
    expect(ours.length).toBeGreaterThan(1);
    expect(sockets(second ?? 0).filter((socket) => ours.includes(socket))).toEqual([]);
  });

  test("takes no notice of questions in --exit-idle-time", async () => {
    await using daemon = await serve({ options: [...target, "--exit-idle-time", "1s"] });
    let answers = 0;
    let over = false;
    daemon.exited.then(() => {
      over = true;
    });
    const started = performance.now();
    while (!over) {
      await ask(daemon.pid, { command: "status" }).then(
        () => answers++,
        () => {},
      );
      await Bun.sleep(100);
    }
    expect(await daemon.exited).toBe(0);
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(answers).toBeGreaterThanOrEqual(3);
    expect(daemon.stderr).toContain("no connection for 1 s");
  });
});

test("whoever floods it takes next to nothing from the relay, and is itself answered again afterwards", async () => {
  using place = freeTarget("unix");
  using backend = new FaultyBackend(place.address);
  await using daemon = await serve({ options: place.options });
  const idle = daemon.descriptors;
  await using flood = new Command([
    ...[process.execPath, resolve(import.meta.dir, "../support/flooder.ts")],
    socketIn(folder, daemon.pid),
  ]);
  const made = () => Number(flood.stdout.match(/.*"made":(\d+).*\n$/)?.[1] ?? 0);
  await waitFor("the flood", () => made() > 10);
  const before = made();
  // A part of one core; a daemon that took all that comes would take most of it.
  await daemon.usesLessThan(0.05);
  expect(made()).toBeGreaterThan(before + 10);
  expect(daemon.descriptors).toBeLessThanOrEqual(idle + controlDescriptors);
  for (let request = 0; request < 300; request++) {
    using client = await order(daemon.address, { answer: 1_000, last: "close" });
    await client.over();
    expect([client.received, client.differsAt]).toEqual([1_000, null]);
  }
  flood.signal("SIGKILL");
  await flood.exited;
  const status = await waitFor("an answer", () => askStatus(daemon.pid).catch(() => null));
  expect(status).toMatchObject({ connections: { total: 300 }, bytes: { down: 300_000 }, lastFailure: null });
  expect(backend.made).toBe(300);
  await waitFor("the flood's descriptors to be closed", () => daemon.descriptors <= idle);
});

/** A user that has no folder yet, and no other process. */
const other = 700_000 + Math.floor(Math.random() * 99_999);

describe.skipIf(!isRoot)("another user's daemon (as root)", () => {
  const theirs = folderOf(other);
  const asOther = ["setpriv", `--reuid=${other}`, `--regid=${other}`, "--clear-groups"];
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.set();
  });
  afterAll(async () => {
    rmSync(theirs, { recursive: true, force: true });
    await stage[Symbol.asyncDispose]();
  });
  const serveAsOther = (...options: string[]) =>
    new Command([...asOther, stage.program, "--listen", "127.0.0.1:0", ...options, "sleep", "100"]);

  test("is root's to ask, and nobody else's", async () => {
    await using daemon = serveAsOther();
    await daemon.logged(/serving/);
    expect(await askStatus(daemon.pid)).toMatchObject({ pid: daemon.pid, programs: [{ command: ["sleep", "100"] }] });
    expect(lstatSync(theirs)).toMatchObject({ uid: other, mode: 0o40700 });
    await using stranger = new Command(["socat", "-T1", "-", `UNIX-CONNECT:${socketIn(theirs, daemon.pid)}`], {
      through: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
      stdin: Buffer.from('{"command":"status"}\n'),
    });
    expect((await stranger.ended()).stderr).toContain("Permission denied");
    // Were the folder open, the daemon would still not answer.
    await Bun.$`chmod 755 ${theirs} && chmod 777 ${socketIn(theirs, daemon.pid)}`;
    await using guest = new Command(["socat", "-T1", "-", `UNIX-CONNECT:${socketIn(theirs, daemon.pid)}`], {
      through: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
      stdin: Buffer.from('{"command":"status"}\n'),
    });
    expect((await guest.ended()).stdout).toBe("");
    await Bun.$`chmod 700 ${theirs}`;
    expect(await askStatus(daemon.pid)).toMatchObject({ pid: daemon.pid });
  });

  const folderOfTheirs = (path: string, mode: number) => {
    mkdirSync(path, { mode });
    chownSync(path, other, other);
  };
  test.each([
    ["another user's folder", () => mkdirSync(theirs, { mode: 0o700 }), "belongs to another user; have it removed"],
    ["a file", () => writeFileSync(theirs, ""), "is not a folder; remove it"],
    ["a link", () => symlinkSync(`${theirs}.own`, theirs), "is a link; remove it"],
    [
      "a folder that others may enter",
      () => folderOfTheirs(theirs, 0o755),
      "does not have mode 0700; correct that, or remove it",
    ],
  ])("serves without figures where %s is in the place of its folder, and says so once", async (_, put, why) => {
    rmSync(theirs, { recursive: true, force: true });
    // Where the link leads.
    folderOfTheirs(`${theirs}.own`, 0o700);
    put();
    try {
      await using daemon = serveAsOther();
      await daemon.logged(/serving/);
      const lines = daemon.stderr.split("\n").filter((line) => line.includes("--status"));
      expect(lines).toEqual([`launch_socket_server: --status will have no figures for this process: ${theirs} ${why}`]);
      const error = await askStatus(daemon.pid).catch((error) => error);
      expect(error).toBeInstanceOf(NoAnswer);
      expect(error.message).toContain(`${theirs} ${why}`);
      await using silent = serveAsOther("--log-level", "warn");
      await waitFor("its program", async () => (await Bun.$`pgrep -P ${silent.pid}`.nothrow().text()) !== "");
      expect(silent.stderr).toBe("");
      daemon.signal("SIGTERM");
      expect(await daemon.exited).toBe(0);
    } finally {
      rmSync(theirs, { recursive: true, force: true });
      rmSync(`${theirs}.own`, { recursive: true, force: true });
    }
  });
});
