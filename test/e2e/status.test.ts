/** `--status`, on daemons that are found by the list of their folder. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { lstatSync, rmSync } from "node:fs";
import { formatAddress } from "../../src/address.ts";
import { folderOf, makeFolder, socketIn } from "../../src/control/folder.ts";
import type { Entry } from "../../src/service/status/entry.ts";
import { order } from "../support/client.ts";
import { Command } from "../support/command.ts";
import { FaultyBackend } from "../support/faulty-backend.ts";
import { programUnderTest, run, serve, start } from "../support/program-under-test.ts";
import { Stage } from "../support/stage.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

const uid = process.geteuid?.() ?? 0;
const isRoot = uid === 0;
const isMac = programUnderTest.platform === "macos";
/** Nobody connects to it. */
const target = ["--tcp-address", "127.0.0.1:9"];

/** All that --json lists; other tests have daemons too. */
async function listed(): Promise<Entry[]> {
  const { code, stdout, stderr } = await run(["--status", "--json"]);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

describe("--status", () => {
  test("lists the daemons that run, in at most 80 columns, plain and with status 0", async () => {
    await using one = await serve({ options: target });
    await using two = await serve({ program: ["sleep", `${"1".repeat(100)}`] });
    const { code, stdout, stderr } = await run(["--status"]);
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^SERVICE +STATE +PID +CONNECTIONS +ADDRESSES$/);
    expect(lines.filter((line) => Bun.stringWidth(line) > 80)).toEqual([]);
    expect(stdout).not.toContain("\x1b");
    for (const daemon of [one, two]) {
      const line = lines.find((line) => line.includes(` ${daemon.pid} `));
      expect(line).toMatch(new RegExp(` running +${daemon.pid} +0 `));
    }
    expect(stdout).toMatch(/^ {4}sleep 1+…1+ \(\d+\)$/m);
  });

  test("--json has them for programs", async () => {
    await using daemon = await serve({ options: target });
    const found = (await listed()).find(({ pid }) => pid === daemon.pid);
    expect(found).toMatchObject({
      name: null,
      state: "running",
      works: true,
      addresses: [formatAddress(daemon.address)],
      status: { pid: daemon.pid, addresses: [{ listen: formatAddress(daemon.address), target: "127.0.0.1:9" }] },
      problem: null,
    });
  });

  test("--json has nothing that a terminal would obey", async () => {
    const program = ["sh", "-c", "exec sleep 100", "\u009b2J\u007f"] as const;
    await using daemon = await serve({ program: [...program] });
    const { stdout } = await run(["--status", String(daemon.pid), "--json"]);
    expect(stdout).toContain("\\u009b2J\\u007f");
    expect(stdout.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
    expect(JSON.parse(stdout).status.programs[0].command).toEqual([...program]);
  });

  test("a daemon that was killed, and what is not a daemon's, are not in the list", async () => {
    await using daemon = await serve({ options: target });
    daemon.signal("SIGKILL");
    await daemon.exited;
    expect((await listed()).map(({ pid }) => pid)).not.toContain(daemon.pid);
    // Nobody listens there any more, and the process is another one by now.
    const path = socketIn(folderOf(uid), process.pid);
    makeFolder(folderOf(uid), uid);
    await Bun.write(path, "");
    try {
      expect((await listed()).map(({ pid }) => pid)).not.toContain(process.pid);
    } finally {
      // A daemon of another test that starts in another namespace may have removed it.
      rmSync(path, { force: true });
    }
  });

  test("a daemon that does not answer is told as such, within a second or so", async () => {
    await using daemon = await serve({ options: target });
    daemon.signal("SIGSTOP");
    const started = performance.now();
    const { code, stdout } = await run(["--status", String(daemon.pid)]);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect([code, stdout]).toEqual([
      3,
      `process ${daemon.pid}: does not answer\n  no figures   process ${daemon.pid} does not answer within 1 s; try again\n`,
    ]);
    expect((await listed()).find(({ pid }) => pid === daemon.pid)).toMatchObject({
      state: "does not answer",
      works: false,
    });
    daemon.signal("SIGCONT");
  });
});

describe("--status PID", () => {
  test("tells all of one daemon, with status 0", async () => {
    using place = freeTarget("unix");
    using _backend = new FaultyBackend(place.address);
    await using daemon = await serve({ options: place.options });
    using client = await order(daemon.address, { answer: 1_500, last: "hold" });
    await client.got(1_500);
    const { code, stdout, stderr } = await run(["--status", String(daemon.pid)]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(
      new RegExp(
        [
          `^process ${daemon.pid}: running, since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d \\(\\d+ s\\)`,
          `  daemon       process ${daemon.pid}, version \\S+`,
          `  serves       ${formatAddress(daemon.address)} by ${place.name}`,
          "  program      none",
          "  connections  1 now, of \\d+ at most; 1 in all",
          "  data         \\d+ bytes from clients, 1\\.5 kB to them\n$",
        ].join("\n"),
      ),
    );
  });

  test("--json may stand before or after it", async () => {
    await using daemon = await serve({ options: target });
    const pid = String(daemon.pid);
    for (const args of [
      ["--status", pid, "--json"],
      ["--json", "--status", pid],
      ["--json", `--status=${pid}`],
    ]) {
      const { code, stdout } = await run(args);
      expect([code, JSON.parse(stdout).pid]).toEqual([0, daemon.pid]);
    }
  });

  test("of a daemon that stops: status 3", async () => {
    await using daemon = await serve({ program: ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"] });
    await daemon.printed(/up/);
    daemon.signal("SIGTERM");
    const ended = await waitFor("it to be stopping", async () => {
      const ended = await run(["--status", String(daemon.pid)]);
      return ended.code === 3 ? ended : null;
    });
    expect(ended?.stdout).toStartWith(`process ${daemon.pid}: stopping, since `);
  });

  test.each([
    ["a process that there is not", "2000000000", "there is no process 2000000000"],
    ["a process that is no daemon", String(process.pid), `process ${process.pid} cannot be asked: `],
    // On a Mac launchd is asked for a name (diagnosis.test.ts).
    ...(isMac ? [] : [["a name that there is not", "web", "no launch_socket_server called web runs here"]]),
  ])("of %s: one sentence, and status 4", async (_, subject, sentence) => {
    const { code, stdout, stderr } = await run(["--status", subject]);
    expect([code, stdout]).toEqual([4, ""]);
    expect(stderr).toStartWith(`launch_socket_server: ${sentence}`);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("with --pass-sockets there are no figures, and it says why", async () => {
    const program = ["sh", "-c", "echo up; exec sleep 100"];
    await using daemon = start(["--listen", "127.0.0.1:0", "--pass-sockets", ...program]);
    await daemon.printed(/up/);
    const { code, stderr } = await run(["--status", String(daemon.pid)]);
    expect(code).toBe(4);
    expect(stderr).toContain("has become its program by --pass-sockets");
  });
});

describe("--watch", () => {
  const times = (watching: Command, text: string) => watching.stdout.split(text).length - 1;

  test("shows it again each second, and ends with status 4 when the process has gone", async () => {
    await using daemon = await serve({ options: target });
    await using watching = start(["--status", String(daemon.pid), "--watch"]);
    await waitFor("it to be shown twice", () => times(watching, `process ${daemon.pid}: running`) >= 2);
    expect(watching.stdout).not.toContain("\x1b");
    daemon.signal("SIGTERM");
    const { code, stderr } = await watching.ended();
    expect([code, stderr]).toEqual([4, `launch_socket_server: there is no process ${daemon.pid}\n`]);
  });

  test("with --json it is a line each time", async () => {
    await using daemon = await serve({ options: target });
    await using watching = start(["--status", String(daemon.pid), "--watch", "--json"]);
    await waitFor("it to be shown twice", () => times(watching, "\n") >= 2);
    for (const line of watching.stdout.trimEnd().split("\n")) expect(JSON.parse(line).pid).toBe(daemon.pid);
    watching.signal("SIGINT");
    await watching.exited;
  });

  test.skipIf(process.platform !== "linux")(
    "on a terminal one picture takes the place of the other, in colours",
    async () => {
      await using daemon = await serve({ options: target });
      const command = `${programUnderTest.path} --status --watch`;
      await using watching = new Command(["script", "-qec", command, "/dev/null"], { env: { TERM: "xterm" } });
      await waitFor("it to be shown twice", () => times(watching, "\x1b[H\x1b[J") >= 2);
      expect(watching.stdout).toContain("\x1b[32mrunning\x1b[0m");
      expect(watching.stdout).toContain(` ${daemon.pid} `);
    },
  );
});

/** A user with no other process. */
const other = 800_000 + Math.floor(Math.random() * 99_999);

describe.skipIf(!isRoot)("of several users (as root)", () => {
  const asOther = ["setpriv", `--reuid=${other}`, `--regid=${other}`, "--clear-groups"];
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.set();
  });
  afterAll(async () => {
    rmSync(folderOf(other), { recursive: true, force: true });
    await stage[Symbol.asyncDispose]();
  });
  const asked = async (...args: string[]) => {
    await using asking = new Command([...asOther, stage.program, ...args]);
    return await asking.ended();
  };

  test("root sees all, a user its own; another's it may not ask, and is told to use sudo", async () => {
    expect(await asked("--status")).toEqual({
      code: 0,
      stdout: "no launch_socket_server runs here as this user (sudo shows everybody's)\n",
      stderr: "",
    });
    await using theirs = new Command([...asOther, stage.program, "--listen", "127.0.0.1:0", "sleep", "100"]);
    await theirs.logged(/serving/);
    await using roots = await serve({ options: target });
    const everybodys = (await listed()).map(({ pid }) => pid);
    expect([everybodys.includes(theirs.pid), everybodys.includes(roots.pid)]).toEqual([true, true]);
    const { stdout } = await asked("--status", "--json");
    expect((JSON.parse(stdout) as Entry[]).map(({ pid }) => pid)).toEqual([theirs.pid]);
    expect(await asked("--status", String(roots.pid))).toEqual({
      code: 1,
      stdout: "",
      stderr: `launch_socket_server: process ${roots.pid} is another user's, and only that user and root may ask it; use sudo\n`,
    });
  });

  test("a folder of another user's that bears root's process ids says nothing of them", async () => {
    await using roots = await serve({ options: target });
    const folder = folderOf(other);
    const path = socketIn(folder, roots.pid);
    makeFolder(folder, uid);
    await Bun.$`chown ${other} ${folder}`;
    await using liar = new Command([...asOther, "socat", `UNIX-LISTEN:${path},fork`, "SYSTEM:echo {}"]);
    await waitFor(
      () => `the liar: ${liar.stderr}`,
      () => lstatSync(path, { throwIfNoEntry: false })?.isSocket(),
    );
    // Root's own folder has that id too, and is believed.
    const entries = (await listed()).filter(({ pid }) => pid === roots.pid);
    expect(entries.map(({ status }) => status?.addresses[0]?.listen)).toEqual([formatAddress(roots.address)]);
  });
});

test.each([
  [["--watch"], "cannot use --watch: it goes with --status"],
  [["--status", "--status"], "cannot use --status twice: leave one of them out"],
  [["--status", "1", "sleep"], "cannot use --status with sleep: nothing but --status and its value belongs here"],
  [["--status", "--log-level", "debug"], "cannot use --status with a setting: nothing but"],
  [["--status", "--dry-run"], "cannot use --dry-run with --status: leave it out"],
  [["--status", "--install", "com.example.web"], "cannot use --install together with --status: give one at a time"],
])("%j is refused in one sentence", async (args, sentence) => {
  const { code, stdout, stderr } = await run(args);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toStartWith(`launch_socket_server: ${sentence}`);
});
