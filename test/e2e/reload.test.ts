/** `--reload`: a new copy of the program takes over from the old one. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askStatus } from "../../src/control/client.ts";
import type { ReloadStatus } from "../../src/control/protocol.ts";
import { ControlServer } from "../../src/control/server.ts";
import { account } from "../service/status/fixture.ts";
import { Command } from "../support/command.ts";
import { alive } from "../support/processes.ts";
import {
  type ProgramUnderTest,
  programUnderTest,
  run,
  type ServeOptions,
  serve,
  start,
} from "../support/program-under-test.ts";
import { Crowd, request } from "../support/requests.ts";
import { Stage, socket } from "../support/stage.ts";
import { freeTarget } from "../support/targets.ts";
import { type Version, VersionedServer } from "../support/versions.ts";
import { waitFor } from "../support/wait.ts";

const cleanUps: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Never listens, and ends on SIGTERM. */
const deaf = "await new Promise(() => setInterval(() => {}, 1000));";
/** For what is not about draining: the old copy stays no longer after the switch. */
const quick = ["--drain-timeout", "100ms"];
/** Does not end on SIGTERM. */
const stubborn = `process.on("SIGTERM", () => console.log("not yet"));`;

/** A server of that version behind the program under test. */
async function running(version: Version = { name: "old" }, options: Partial<ServeOptions> = {}) {
  const server = new VersionedServer(version);
  cleanUps.push(() => server[Symbol.dispose]());
  const daemon = await serve({ program: server.command, env: { TMPDIR: server.folder }, ...options });
  cleanUps.push(() => daemon[Symbol.asyncDispose]());
  const get = (path?: string) => request(daemon.address, path);
  await get();
  return { server, daemon, get, reload: () => reload(daemon) };
}

const reload = ({ pid }: ProgramUnderTest) => run(["--reload", String(pid)]);
const folders = ({ folder }: VersionedServer) => readdirSync(folder).filter((name) => name.startsWith("launch_"));

/** Waits until the daemon tells that its reload has come so far. */
const until = (daemon: ProgramUnderTest, phase: string) =>
  waitFor(phase, async () => {
    const status = await askStatus(daemon.pid);
    return status.reload?.phase === phase ? status : null;
  });

describe("a reload", () => {
  test("has the new version take over, and what is under way is whole", async () => {
    const { server, daemon, get, reload } = await running();
    const slow = get("/slow?n=20&ms=100");
    await waitFor("the transfer", async () => (await askStatus(daemon.pid)).programs[0]?.connections === 1);
    server.deploy({ name: "new" });
    const reloading = reload();
    const status = await until(daemon, "draining");
    expect(status?.programs.map(({ state, connections }) => ({ state, connections }))).toEqual([
      { state: "running", connections: 0 },
      { state: "draining", connections: 1 },
    ]);
    const { code, stdout, stderr } = await reloading;
    expect(stderr).toBe("");
    expect(stdout).toMatch(
      new RegExp(
        `^${daemon.pid} is reloaded: process \\d+ has taken over from \\d+; 1 connection of the old copy finished, 0 were cut\\n$`,
      ),
    );
    expect(code).toBe(0);
    expect((await slow).match(/line/g)).toHaveLength(20);
    expect(await get()).toStartWith("new");
    expect(folders(server)).toHaveLength(1);
    daemon.signal("SIGTERM");
    expect((await daemon.ended()).code).toBe(0);
    expect(folders(server)).toHaveLength(0);
  });

  test("cuts what is still under way at the end of its time, and counts it", async () => {
    const { server, daemon, get, reload } = await running({ name: "old" }, { options: ["--drain-timeout", "200ms"] });
    const slow = get("/slow?n=100&ms=100").catch(() => "cut");
    await waitFor("the transfer", async () => (await askStatus(daemon.pid)).programs[0]?.connections === 1);
    server.deploy({ name: "new" });
    const { code, stdout } = await reload();
    expect(stdout).toEndWith("0 connections of the old copy finished, 1 was cut\n");
    expect(code).toBe(2);
    expect(await slow).toBe("cut");
    expect(await get()).toStartWith("new");
  });

  test("passes signals on to the new copy, which has what the first one was started with", async () => {
    const signalled = `process.on("SIGUSR1", () => console.log("USR1", process.argv[1].length, process.pid));`;
    const { server, daemon, get, reload } = await running(
      { name: "old", first: signalled },
      { through: ["nohup"], options: quick },
    );
    const old = (await get()).split(" ")[1];
    server.deploy({ name: "new", first: signalled });
    expect((await reload()).code).toBe(0);
    const pid = Number((await get()).split(" ")[1]);
    expect(pid).not.toBe(Number(old));
    daemon.signal("SIGUSR1");
    await daemon.printed(new RegExp(`^USR1 ${server.path.length} ${pid}$`, "m"));
    const ignored = readFileSync(`/proc/${pid}/status`, "utf8").match(/^SigIgn:\s*(\w+)$/m)?.[1];
    // SIGHUP, as nohup(1) leaves it.
    expect(BigInt(`0x${ignored}`) & 1n).toBe(1n);
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).toContain(`TMPDIR=${server.folder}\0`);
  });

  test("has nothing of the old copy's status, and signals it alone and not its children", async () => {
    const exits = `process.on("SIGTERM", () => process.exit(7));
      const { spawn } = await import("node:child_process");
      console.log("child", spawn("sleep", ["1000"]).pid);`;
    const { server, daemon, get, reload } = await running({ name: "old", first: exits }, { options: quick });
    const child = Number((await daemon.printed(/^child (\d+)$/m))[1]);
    server.deploy({ name: "new" });
    expect((await reload()).code).toBe(0);
    expect(alive(child)).toBe(true);
    expect(await get()).toStartWith("new");
    daemon.signal("SIGTERM");
    expect((await daemon.ended()).code).toBe(0);
    process.kill(child);
  });

  test("kills an old copy that does not end in time", async () => {
    const { server, daemon, reload } = await running(
      { name: "old", first: stubborn },
      { options: ["--stop-timeout", "300ms", ...quick] },
    );
    server.deploy({ name: "new" });
    expect((await reload()).code).toBe(0);
    expect(daemon.stdout).toContain("not yet");
    expect(daemon.stderr).toContain("did not end in time and was killed");
  });

  test("is begun once: another one meanwhile is refused", async () => {
    const { server, daemon, reload } = await running();
    server.deploy({ name: "new", load: 500 });
    const ends = await Promise.all([reload(), reload()]);
    expect(ends.map(({ code }) => code).sort()).toEqual([0, 1]);
    const refused = ends.find(({ code }) => code === 1);
    expect(refused?.stderr).toBe(
      `launch_socket_server: cannot reload ${daemon.pid}: process ${daemon.pid} refuses: another reload is under way; wait for its end\n`,
    );
  });
});

test("a terminal is shown what is waited for, one line in the place of the other", async () => {
  // The old copy drains for a second at least.
  const { server, daemon } = await running();
  server.deploy({ name: "new", load: 300 });
  const command = `${programUnderTest.path} --reload ${daemon.pid}`;
  await using terminal = new Command(["script", "-qec", command, "/dev/null"], { env: { TERM: "xterm" } });
  const { code, stdout } = await terminal.ended();
  expect(code).toBe(0);
  expect(stdout).toContain("\r\n\x1b[A\x1b[Kprocess ");
  const lines = Bun.stripANSI(stdout).split("\r\n");
  expect(lines[0]).toMatch(/^waiting for (process \d+|another copy) to serve; process \d+ serves meanwhile$/);
  expect(lines.at(-2)).toMatch(/^\d+ is reloaded: /);
});

test("a daemon cannot steer the terminal of who reloads it", async () => {
  const phases = ["\x1b]0;title\x07", "done"] as ReloadStatus["phase"][];
  const of = (phase: ReloadStatus["phase"]): ReloadStatus => ({
    phase,
    since: "2026-01-02T03:04:05.000Z",
    oldPid: 1,
    newPid: 2,
    connections: { before: 0, left: 0, cut: 0 },
    problem: null,
    log: [],
  });
  let begun = false;
  const daemon = ControlServer.open(
    ({ command }) => {
      if (command === "status")
        return account({ pid: process.pid, reload: begun ? of(phases.shift() ?? "done") : null });
      begun = true;
      return { reloading: true };
    },
    () => {},
  );
  cleanUps.push(() => daemon?.close());
  const command = `${programUnderTest.path} --reload ${process.pid}`;
  await using terminal = new Command(["script", "-qec", command, "/dev/null"], { env: { TERM: "xterm" } });
  const { stdout } = await terminal.ended();
  expect(stdout).toStartWith("\\u001b]0;title\\u0007\r\n");
});

describe("a version that", () => {
  test("ends at its start: the command says why, with the end of the log, and nobody notices", async () => {
    const folder = mkdtempSync(join(tmpdir(), "reload-"));
    cleanUps.push(() => rmSync(folder, { recursive: true }));
    const log = join(folder, "log");
    using server = new VersionedServer({ name: "old" });
    const env = { TMPDIR: server.folder };
    await using daemon = start(["--listen", "127.0.0.1:0", ...server.command], { env, stderr: Bun.file(log) });
    const port = await waitFor(
      "its log",
      () => existsSync(log) && readFileSync(log, "utf8").match(/serving .*:(\d+) by/)?.[1],
    );
    const get = () => request({ kind: "tcp", host: "127.0.0.1", port: Number(port) });
    expect(await get()).toStartWith("old");
    server.deploy({ name: "new", first: `console.error("first line\\nno database"); process.exit(3);` });
    const { code, stdout, stderr } = await reload(daemon);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      new RegExp(
        `^the log until then:\\n {2}first line\\n {2}no database\\nlaunch_socket_server: cannot reload ${daemon.pid}: the new copy, process \\d+, has ended: exit status 3; process \\d+ goes on\\n$`,
      ),
    );
    expect(await get()).toStartWith("old");
    expect(folders(server)).toHaveLength(1);
  });

  test("never listens: it is stopped", async () => {
    const { server, daemon, get, reload } = await running({ name: "old" }, { options: ["--connect-timeout", "500ms"] });
    server.deploy({ name: "new", first: deaf });
    const { code, stderr } = await reload();
    expect(code).toBe(1);
    expect(stderr).toMatch(/the new copy, process (\d+), does not serve: there is no socket at/);
    expect(alive(Number(stderr.match(/the new copy, process (\d+)/)?.[1]))).toBe(false);
    expect(await get()).toStartWith("old");
    expect(folders(server)).toHaveLength(1);
    expect(daemon.stderr).not.toContain("stopping");
  });

  test("dies while the old one drains: new connections go back", async () => {
    const { server, daemon, get, reload } = await running();
    const slow = get("/slow?n=20&ms=100");
    server.deploy({ name: "new" });
    const reloading = reload();
    await until(daemon, "draining");
    const pid = Number((await get()).split(" ")[1]);
    process.kill(pid, "SIGKILL");
    await waitFor("the way back", async () => (await get().catch(() => "")).startsWith("old"));
    const { code, stderr } = await reloading;
    expect(code).toBe(1);
    expect(stderr).toMatch(/has ended: signal: killed; process \d+ has the new connections again\n$/);
    expect(await slow).toContain("old");
  });
});

describe("SIGTERM in the middle of a reload stops both copies", () => {
  test.each(["starting", "draining", "stopping"])("%s", async (phase) => {
    const options = ["--stop-timeout", "2s", ...(phase === "stopping" ? ["--drain-timeout", "1ms"] : [])];
    const { server, daemon, get, reload } = await running(
      { name: "old", first: phase === "stopping" ? stubborn : "" },
      { options },
    );
    if (phase !== "starting") void get("/slow?n=1000&ms=100").catch(() => {});
    await waitFor("it", async () => phase === "starting" || (await askStatus(daemon.pid)).connections.now > 0);
    server.deploy({ name: "new", first: phase === "starting" ? deaf : "" });
    const reloading = reload();
    await until(daemon, phase);
    await waitFor("two copies", async () => (await askStatus(daemon.pid)).programs.length === 2);
    const { programs } = await askStatus(daemon.pid);
    const begun = performance.now();
    daemon.signal("SIGTERM");
    const { code, stderr } = await daemon.ended();
    expect(performance.now() - begun).toBeLessThan(6_000);
    // What has to be killed is the old copy, whose status is not ours.
    expect([code, stderr.includes("error")]).toEqual([0, false]);
    for (const { pid } of programs) expect(alive(pid)).toBe(false);
    expect(folders(server)).toEqual([]);
    const command = await reloading;
    expect(command.code).toBe(1);
    expect(command.stderr).toContain("the daemon has ended before that was over");
  });
});

describe("is refused with --restart", () => {
  const refusal = /use --restart\n$/;

  test("where the program is reached at a fixed path or port", async () => {
    for (const kind of ["unix", "tcp"] as const) {
      using target = freeTarget(kind);
      await using daemon = await serve({ options: target.options, program: ["sleep", "1000"] });
      const { code, stderr } = await reload(daemon);
      expect(stderr).toMatch(refusal);
      expect(stderr).toContain("is reached at a fixed address, where two copies cannot be");
      expect(code).toBe(1);
    }
  });

  test("where no program is run", async () => {
    using target = freeTarget("unix");
    await using daemon = await serve({ options: target.options });
    const { code, stderr } = await reload(daemon);
    expect(stderr).toContain("no program is run here (-)");
    expect([code, stderr.includes("--restart")]).toEqual([1, true]);
  });

  test("where the program has got the sockets, or is another", async () => {
    const { code, stderr } = await run(["--reload", String(process.pid)]);
    expect(stderr).toMatch(/has become its program by --pass-sockets.*; --restart starts a service afresh\n$/);
    expect(code).toBe(1);
  });
});

test("is refused as long as the program has not made its socket", async () => {
  await using daemon = await serve({ program: ["sleep", "1000"] });
  const { code, stderr } = await reload(daemon);
  expect(stderr).toContain("refuses: the program is still starting");
  expect(code).toBe(1);
});

test("is refused for a name that no daemon has", async () => {
  const { code, stderr } = await run(["--reload", "com.example.nobody"]);
  expect(stderr).toContain("cannot reload com.example.nobody: no launch_socket_server of that name runs here");
  expect(code).toBe(1);
});

test("20 clients that repeat nothing notice none of 5 reloads, bad versions among them", async () => {
  const { server, daemon, reload } = await running({ name: "v0" }, { options: ["--connect-timeout", "1s"] });
  const crowd = new Crowd(daemon.address, 20, 50);
  const transfers: Promise<string>[] = [];
  const bad: Partial<Version>[] = [
    { first: "process.exit(3);" },
    { first: deaf },
    { afterwards: `setTimeout(() => process.kill(process.pid, "SIGKILL"), 10);` },
  ];
  for (let round = 1; round <= 5; round++) {
    transfers.push(request(daemon.address, "/slow?n=20&ms=100"));
    const fault = bad[round - 2];
    server.deploy({ name: `v${round}`, ...fault });
    const before = crowd.answered;
    const { code, stderr } = await reload();
    expect([code, stderr === ""]).toEqual(fault === undefined ? [0, true] : [1, false]);
    await waitFor("some answers", () => crowd.answered > before + 50);
  }
  await crowd.over(2_000);
  console.log(`${crowd.answered} requests, the longest took ${crowd.longest.toFixed(0)} ms`);
  expect(crowd.failures).toEqual([]);
  expect(crowd.answered).toBeGreaterThanOrEqual(2_000);
  expect([...crowd.answers.keys()]).toEqual(["v0", "v1", "v5"]);
  for (const transfer of await Promise.all(transfers)) expect(transfer.match(/line/g)).toHaveLength(20);
  expect(folders(server)).toHaveLength(1);
}, 120_000);

describe("a service of launchd", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.set();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test("with several sockets is reloaded by its label, on all of them", async () => {
    const job = await stage.load({
      Sockets: { HTTP: socket("127.0.0.1", 0), HTTPS: socket("127.0.0.1", 0) },
      RunAtLoad: true,
      ProgramArguments: [
        stage.program,
        "--route",
        "HTTP=",
        "--route",
        "HTTPS=",
        ...(await stage.script("two-servers.ts")),
      ],
    });
    const pids = async () => {
      const texts = await Promise.all(
        ["HTTP", "HTTPS"].map((name) => fetch(`http://127.0.0.1:${job.port(name)}/`, { keepalive: false })),
      );
      return Promise.all(
        texts.map(
          async (answer) =>
            ((await answer.json()) as { env: Record<string, string> }).env.LAUNCH_PROGRAM_SOCKET_PATH_HTTP,
        ),
      );
    };
    const before = await pids();
    const { code, stdout, stderr } = await run(["--reload", job.label]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toStartWith(`${job.label} is reloaded`);
    const after = await pids();
    expect(new Set([...before, ...after]).size).toBe(2);
    expect(after[0]).toBe(after[1] as string);
    expect(await job.unload()).toMatchObject({ code: 0 });
  });
});
