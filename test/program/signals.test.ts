import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileSink } from "bun";
import { Command } from "../support/command.ts";
import { alive } from "../support/processes.ts";
import { programUnderTest, start } from "../support/program-under-test.ts";

// On the built program, since handlers are the whole process's.

const settings = ["--listen", "127.0.0.1:0", "--stop-timeout", "20s"];
/** A server that says which signals it gets; it ends with a second SIGTERM. */
const server = `
  for name in HUP QUIT USR1 USR2 WINCH INT; do trap "echo $name" $name; done
  trap 'echo TERM; [ "$stopping" ] && exit 0; stopping=1' TERM
  echo ready
  while :; do sleep 1 & wait $!; done`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "signals."));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Starts the server, and waits until it runs and signals are passed on. */
async function serving(through: string[] = [], script = server): Promise<Command> {
  const run = start([...settings, "sh", "-c", script], { through, env: { TMPDIR: folder } });
  await run.printed(/^ready$/m);
  await run.logged(/serving/);
  return run;
}

describe("signals", () => {
  test.each(["HUP", "QUIT", "USR1", "USR2", "WINCH"])("SIG%s goes to the program, and we stay", async (name) => {
    await using run = await serving();
    run.process.kill(`SIG${name}` as NodeJS.Signals);
    await run.printed(new RegExp(`^${name}$`, "m"));
    const next = name === "USR1" ? "USR2" : "USR1";
    run.process.kill(`SIG${next}`);
    await run.printed(new RegExp(`^${next}$`, "m"));
    expect(run.stdout).toBe(`ready\n${name}\n${next}\n`);
    expect(run.process.exitCode).toBeNull();
  });

  test("the first SIGTERM is passed on, and the program has its time", async () => {
    await using run = await serving();
    run.process.kill("SIGTERM");
    await run.printed(/^TERM$/m);
    expect(run.process.exitCode).toBeNull();
  });

  test("SIGINT without a terminal is passed on", async () => {
    await using run = await serving([], `trap 'echo INT; exit 0' INT; ${server.replace("USR2 WINCH INT", "USR2")}`);
    run.process.kill("SIGINT");
    expect(await run.ended()).toMatchObject({ code: 0, stdout: "ready\nINT\n" });
  });

  test("the third SIGTERM kills a program that does not end", async () => {
    await using run = await serving([], `trap 'echo TERM' TERM; echo ready; while :; do sleep 1 & wait $!; done`);
    run.process.kill("SIGTERM");
    await run.printed(/^TERM$/m);
    // Equal signals that are pending are one: so they are sent until they have been seen.
    const again = setInterval(() => run.process.exitCode ?? run.process.kill("SIGTERM"), 20);
    const { code, stderr } = await run.ended().finally(() => clearInterval(again));
    expect(code).toBe(1);
    expect(stderr).toContain("launch_socket_server: program `sh' did not end in time and was killed\n");
  });

  test("under nohup SIGHUP stays ignored, by us and by the program", async () => {
    await using run = await serving(
      ["nohup"],
      `trap 'echo USR1' USR1; echo ready; while :; do sleep 1 & wait $!; done`,
    );
    run.process.kill("SIGHUP");
    run.process.kill("SIGUSR1");
    await run.printed(/^USR1$/m);
    expect(run.process.exitCode).toBeNull();
  });

  test("as a shell's background job SIGINT stays ignored", async () => {
    const script = `trap 'echo USR1' USR1; echo ready; while :; do sleep 1 & wait $!; done`;
    const job = '"$0" "$@" & echo "pid $!"; wait $!';
    await using run = await serving(["sh", "-c", job], script);
    const pid = Number((await run.printed(/^pid (\d+)$/m))[1]);
    process.kill(pid, "SIGINT");
    process.kill(pid, "SIGUSR1");
    await run.printed(/^USR1$/m);
    expect(run.stderr).not.toContain("stopping");
  });
});

describe("on a terminal", () => {
  test("Ctrl-C reaches the program once: from the terminal, not from us too", async () => {
    const interrupted = `
      trap 'echo INT; [ "$stopping" ] && exit 0; stopping=1' INT
      trap 'echo USR1' USR1
      trap 'echo TERM' TERM
      echo "ready $PPID $$"
      while :; do sleep 1 & wait $!; done`;
    const command = `exec "$PROGRAM" ${settings.join(" ")} sh -c "$SERVER"`;
    const env = { PROGRAM: programUnderTest.path, SERVER: interrupted, TMPDIR: folder };
    await using run = new Command(["script", "-qefc", command, "/dev/null"], { env, stdin: "pipe" });
    const [, ours = "", servers = ""] = await run.printed(/ready (\d+) (\d+)/);
    try {
      await run.printed(/serving/);
      const terminal = run.process.stdin as FileSink;
      terminal.write("\x03");
      terminal.flush();
      await run.printed(/stopping/);
      await run.printed(/^(\^C)?INT\r?$/m);
      // A second SIGINT would have come before this.
      process.kill(Number(ours), "SIGUSR1");
      await run.printed(/^USR1\r?$/m);
      terminal.write("\x03");
      terminal.flush();
      expect((await run.ended()).code).toBe(0);
      expect(run.stdout.match(/^(\^C)?INT\r?$/gm)).toHaveLength(2);
      expect(run.stdout).not.toMatch(/^TERM/m);
    } finally {
      // The terminal's session is none of ours.
      for (const pid of [ours, servers].map(Number)) if (alive(pid)) process.kill(pid, "SIGKILL");
    }
  });
});
