import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { FileSink } from "bun";
import { type Client, order } from "../support/client.ts";
import { Command } from "../support/command.ts";
import { backendCommand, FaultyBackend } from "../support/faulty-backend.ts";
import { peer } from "../support/peers.ts";
import { type ProgramUnderTest, programUnderTest, type ServeOptions, serve } from "../support/program-under-test.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

/** The backend as a program that says its process id first. */
const tellingItsPid = ["sh", "-c", 'echo $$ >&2; exec "$0" "$1"', ...backendCommand];

/** Three seconds of answer. */
const transfer = { answer: 3_000_000, chunk: 100_000, pause: 100, last: "end" } as const;

/** A daemon that runs the backend as its program; SIGTERM ends that at once, as it does most servers. */
function start(given: ServeOptions & { onTerm?: "ignore-term" } = {}): Promise<ProgramUnderTest> {
  const args = given.onTerm === undefined ? [] : [given.onTerm];
  const path = given.env?.LAUNCH_PROGRAM_SOCKET_PATH ?? "$LAUNCH_PROGRAM_SOCKET_PATH";
  const shell = `exec "$0" "$1" "${path}" 511 ${args.join(" ")}`;
  return serve({ ...given, program: ["sh", "-c", shell, ...backendCommand] });
}

test("SIGTERM lets a transfer end first, leaves new connections in the queue, and removes the generated folder", async () => {
  await using daemon = await start();
  using client = await order(daemon.address, transfer);
  await client.got(100_000);
  const began = performance.now();
  daemon.signal("SIGTERM");
  await daemon.logged(/stopping\n/);
  using late = await order(daemon.address, { answer: 10 });
  await client.over();
  expect([client.received, client.differsAt, client.state]).toEqual([transfer.answer, null, "ended"]);
  client.close();
  expect(await daemon.exited).toBe(0);
  expect(performance.now() - began).toBeGreaterThan(2_000);
  expect(performance.now() - began).toBeLessThan(8_000);
  // It was never accepted: with its listener gone the kernel resets it, and no answer has begun.
  await late.over();
  expect(late.received).toBe(0);
  if (daemon.target.kind === "unix") expect(existsSync(daemon.target.path.replace(/\/socket$/, ""))).toBe(false);
  expect(daemon.stderr.split("\n")).toHaveLength(3);
});

test("SIGTERM does not wait for connections that are quiet, nor for longer than half the stop timeout", async () => {
  await using quiet = await start();
  using idle = await order(quiet.address, { answer: 10, last: "hold" });
  await idle.got(10);
  let began = performance.now();
  quiet.signal("SIGTERM");
  expect(await quiet.exited).toBe(0);
  expect(performance.now() - began).toBeLessThan(2_500);
  await idle.over();
  expect(idle.state).toBe("ended");

  await using busy = await start({ options: ["--stop-timeout", "2s"] });
  using client = await order(busy.address, transfer);
  await client.got(100_000);
  began = performance.now();
  busy.signal("SIGTERM");
  expect(await busy.exited).toBe(0);
  expect(performance.now() - began).toBeGreaterThan(950);
  expect(performance.now() - began).toBeLessThan(2_000);
});

test("a second SIGTERM skips the waiting, a third kills", async () => {
  await using daemon = await start({ onTerm: "ignore-term" });
  using client = await order(daemon.address, { ...transfer, answer: 100_000_000 });
  await client.got(100_000);
  daemon.signal("SIGTERM");
  await daemon.logged(/stopping\n/);
  await Bun.sleep(200);
  expect(daemon.stderr).not.toMatch(/backend: SIGTERM/);
  daemon.signal("SIGTERM");
  await daemon.logged(/backend: SIGTERM\n/);
  await Bun.sleep(200);
  expect(daemon.process.exitCode).toBeNull();
  daemon.signal("SIGTERM");
  expect(await daemon.exited).toBe(1);
  expect(daemon.stderr).toMatch(/program `sh' did not end in time and was killed\n$/);
  expect(daemon.stderr.match(/backend: SIGTERM/g)).toHaveLength(1);
});

test("a program that does not end is killed at the stop timeout", async () => {
  await using daemon = await start({ onTerm: "ignore-term", options: ["--stop-timeout", "1s"] });
  using client = await order(daemon.address, { answer: 10, last: "hold" });
  await client.got(10);
  const began = performance.now();
  daemon.signal("SIGTERM");
  expect(await daemon.exited).toBe(1);
  expect(performance.now() - began).toBeGreaterThan(950);
  expect(performance.now() - began).toBeLessThan(2_500);
  expect(daemon.stderr).toMatch(/was killed\n$/);
});

test("without a program SIGTERM lets transfers end too", async () => {
  using target = freeTarget("tcp");
  using _backend = new FaultyBackend(target.address);
  await using daemon = await serve({ options: target.options });
  using client = await order(daemon.address, transfer);
  await client.got(100_000);
  daemon.signal("SIGTERM");
  await client.over();
  expect([client.received, client.differsAt, client.state]).toEqual([transfer.answer, null, "ended"]);
  client.close();
  expect(await daemon.exited).toBe(0);
});

test("SIGINT that was sent to the daemon alone is passed on", async () => {
  await using daemon = await start();
  using client = await order(daemon.address, { answer: 10, last: "hold" });
  await client.got(10);
  daemon.signal("SIGINT");
  await daemon.logged(/backend: SIGINT\n/);
  expect(daemon.stderr.match(/backend: SIGINT/g)).toHaveLength(1);
});

const script = peer("script", "bsdutils");

test.skipIf(script === null)("Ctrl-C on a terminal reaches the program exactly once (needs script)", async () => {
  const command = [
    programUnderTest.path,
    "--listen",
    "127.0.0.1:0",
    "sh",
    "-c",
    '"$0" "$1" "$LAUNCH_PROGRAM_SOCKET_PATH"',
    ...backendCommand,
  ];
  const quoted = command.map((word) => `'${word}'`).join(" ");
  await using terminal = new Command(["script", "-qefc", quoted, "/dev/null"], { stdin: "pipe" });
  await terminal.printed(/serving/);
  await Bun.sleep(300);
  const keyboard = terminal.process.stdin as FileSink;
  keyboard.write("\x03");
  keyboard.flush();
  await terminal.printed(/backend: SIGINT/);
  await terminal.printed(/stopping/);
  await Bun.sleep(1_000);
  expect(terminal.stdout.match(/backend: SIGINT/g)).toHaveLength(1);
});

test("a program that exits while clients still read has all of its answer delivered", async () => {
  await using daemon = await serve({ program: tellingItsPid });
  const [, pid] = await daemon.logged(/^(\d+)$/m);
  const clients: Client[] = [];
  for (const last of ["hold", "hold", "exit"] as const) {
    const client = await order(daemon.address, { answer: 2_000_000, last }, { reading: false });
    clients.push(client);
    await Bun.sleep(300);
  }
  await waitFor("the program to end", () => !existsSync(`/proc/${pid}`));
  await Bun.sleep(1_000);
  for (const client of clients) {
    client.resume();
    await client.over();
    expect([client.received, client.differsAt, client.state]).toEqual([2_000_000, null, "ended"]);
    client.close();
  }
  expect(await daemon.exited).toBe(0);
});

test("a slow reader of the last megabytes gets them within the stop timeout, and is reset behind it", async () => {
  await using daemon = await start({ options: ["--stop-timeout", "1500ms"] });
  using never = await order(daemon.address, { answer: 50_000_000, last: "hold" }, { reading: false });
  await Bun.sleep(500);
  using last = await order(daemon.address, { answer: 10, last: "exit" });
  const began = performance.now();
  await last.over();
  expect(await daemon.exited).toBe(0);
  expect(performance.now() - began).toBeGreaterThan(1_400);
  expect(performance.now() - began).toBeLessThan(3_000);
  never.resume();
  await never.over();
  expect([never.state, never.differsAt]).toEqual(["reset", null]);
});

test("a program that dies in mid-answer is told with its signal, and its clients get what it had sent", async () => {
  await using daemon = await serve({ program: tellingItsPid });
  const [, pid] = await daemon.logged(/^(\d+)$/m);
  using client = await order(daemon.address, { ...transfer, answer: 100_000_000 });
  await client.got(300_000);
  process.kill(Number(pid), "SIGKILL");
  expect(await daemon.exited).toBe(1);
  await client.over();
  expect(client.differsAt).toBeNull();
  expect(daemon.stderr).toMatch(/program `sh' exited: signal: killed\n$/);
});
