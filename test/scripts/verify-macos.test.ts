import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runIn } from "../support/checkout.ts";
import { MacMachine } from "../support/mac-machine.ts";
import { peer } from "../support/peers.ts";
import { untilFree } from "../support/ports.ts";
import { alive } from "../support/processes.ts";
import { programUnderTest, runsMacProgram } from "../support/program-under-test.ts";
import { waitFor } from "../support/wait.ts";

const shellcheck = peer("shellcheck", "shellcheck");
const lsof = peer("lsof", "lsof");
const ruby = peer("ruby", "ruby");
const isRoot = process.getuid?.() === 0;
const isMac = programUnderTest.platform === "macos";

describe("scripts/verify-macos", () => {
  test.skipIf(shellcheck === null)("is clean for shellcheck (Debian package shellcheck)", async () => {
    const { status, stdout } = await runIn(".", [shellcheck ?? "", "scripts/verify-macos"]);
    expect(stdout).toBe("");
    expect(status).toBe(0);
  });

  test("lists its checks on every system", async () => {
    const { status, stdout, stderr } = await runIn(".", ["scripts/verify-macos", "--list"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const names = stdout.trim().split("\n");
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("codesign accepts the signature");
    expect(names).toContain("agent on 127.0.0.1:80 without sudo");
    for (const kind of ["Unix socket", "TCP"])
      for (const order of ["client first", "server first"])
        expect(names).toContain(`daemon on 127.0.0.1:80: half-close, ${order}, ${kind} (sudo)`);
  });

  test.skipIf(process.platform === "darwin")("refuses to run where there is no launchd, with a sentence", async () => {
    expect(await runIn(".", ["scripts/verify-macos"])).toEqual({
      status: 1,
      stdout: "",
      stderr:
        "launch_socket_server: cannot verify: this machine runs Linux, and the checks need macOS 13 or newer and its launchd (run make verify-macos on a Mac)\n",
    });
  });

  test("refuses options that it does not have", async () => {
    const { status, stderr } = await runIn(".", ["scripts/verify-macos", "--dry-run"]);
    expect(stderr).toStartWith("launch_socket_server: cannot verify: unknown option --dry-run (");
    expect(status).toBe(1);
  });
});

/**
 * A dress rehearsal: the script as a user of a Mac types it, but for the stand-ins that mac-machine.ts names. On the Mac
 * program its checks and their server run inside Bun for macOS. What only a Mac answers is not played: what codesign,
 * dscl and brew themselves say, and whether launchd lets an agent have 127.0.0.1:80, as the stand-in does.
 */
describe.skipIf(process.platform !== "linux" || lsof === null || ruby === null)(
  "scripts/verify-macos among stand-ins",
  () => {
    let machine: MacMachine;

    beforeAll(async () => {
      machine = await MacMachine.set({ throttle: 1000 });
    }, 120_000);
    afterAll(() => machine?.[Symbol.asyncDispose]());

    const verify = (...args: string[]) => machine.run("scripts/verify-macos", ...args);
    const names = async () =>
      (await verify("--list")).stdout
        .trim()
        .split("\n")
        .map((name) => name.replace(" (sudo)", ""));
    const outcomes = (output: string, outcome: string) =>
      [...output.matchAll(new RegExp(`^${outcome} (.*)$`, "gm"))].map(([, name = ""]) => name);

    test("says what is left out without sudo and without Homebrew's release", async () => {
      const { status, stdout } = await verify("--no-sudo", "login_wrapper");
      expect(stdout).toContain("PASS agent on a high port: login_wrapper\n");
      expect(outcomes(stdout, "SKIP")).toEqual(["daemon on 127.0.0.1:80: login_wrapper: it needs sudo"]);
      expect(status).toBe(0);
      expect(outcomes((await verify("--no-sudo", "Homebrew installs")).stdout, "SKIP")).toEqual([
        "Homebrew installs the release, and its test passes: there is no dist/launch_socket_server.rb (run make dist first)",
      ]);
    });

    test("is not content with a run in which nothing was checked", async () => {
      expect((await verify("--no-sudo", "daemon on")).status).toBe(1);
      expect((await verify("--no-sudo", "no check has this name")).status).toBe(1);
    });

    test("passes every check of an agent with the real program, and leaves nothing behind", async () => {
      const { status, stdout, stderr } = await verify("--no-sudo", "agent on a high port");
      expect(outcomes(stdout, "FAIL")).toEqual([]);
      expect(outcomes(stdout, "PASS").length).toBeGreaterThan(25);
      expect(stdout).toMatch(/^\d+ passed, 0 failed, 0 skipped$/m);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(await machine.leftovers(stdout)).toEqual([]);
    }, 120_000);

    test.skipIf(!isRoot)(
      "passes a check of a daemon, which root installs and launchd runs as the user (as root)",
      async () => {
        await untilFree(80);
        const { status, stdout } = await verify("daemon on 127.0.0.1:80: generated path");
        expect(outcomes(stdout, "PASS")).toEqual(["daemon on 127.0.0.1:80: generated path, as the right user"]);
        expect(status).toBe(0);
        expect(await machine.leftovers(stdout)).toEqual([]);
      },
    );

    test.skipIf(!isRoot)(
      "passes the restart of a daemon by the program itself (as root)",
      async () => {
        await untilFree(80);
        const { status, stdout } = await verify("daemon on 127.0.0.1:80: --restart");
        expect(outcomes(stdout, "FAIL")).toEqual([]);
        expect(outcomes(stdout, "PASS")).toHaveLength(1);
        expect(status).toBe(0);
        expect(await machine.leftovers(stdout)).toEqual([]);
      },
      60_000,
    );

    test("the checks and their server run inside Bun for the system of the program", async () => {
      const { stdout } = await machine.run(machine.bun, "-p", "process.platform");
      expect(stdout.trim()).toBe(isMac ? "darwin" : "linux");
    });

    test("installs by Homebrew from a tap under the full name, and removes both", async () => {
      await machine.makeDist();
      const { status, stdout } = await verify("--no-sudo", "Homebrew installs");
      expect(outcomes(stdout, "PASS")).toEqual(["Homebrew installs the release, and its test passes"]);
      expect(status).toBe(0);
      const name = "launch-socket-server/verify/launch_socket_server";
      const calls = (await Bun.file(machine.brewLog).text()).trim().split("\n");
      const inOrder = [
        "tap-new --no-git launch-socket-server/verify",
        `install ${name}`,
        `test ${name}`,
        `uninstall --force ${name}`,
        "untap launch-socket-server/verify",
      ].map((call) => calls.indexOf(call));
      expect(inOrder).not.toContain(-1);
      expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
    });

    test.skipIf(!isMac || !isRoot)(
      "`make verify-macos` passes every check there is, and leaves nothing behind (as root)",
      async () => {
        await machine.makeDist();
        await Promise.all([80, 8080].map(untilFree));
        // make would build the program for this machine in place of the one under test.
        const { status, stdout, stderr } = await machine.run("make", "-o", "sbin/launch_socket_server", "verify-macos");
        expect(outcomes(stdout, "(?:FAIL|SKIP)")).toEqual([]);
        expect(outcomes(stdout, "PASS")).toEqual(await names());
        expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
        expect(await machine.leftovers(stdout)).toEqual([]);
      },
      300_000,
    );

    test("removes everything when it is interrupted in the middle of a check", async () => {
      const script = Bun.spawn([...machine.asUser, "scripts/verify-macos", "no busy loop"], {
        cwd: machine.checkout,
        env: { ...process.env, ...machine.environment },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const label = await waitFor("a job is loaded", () => machine.launchctl.loaded[0]);
      const pid = machine.launchctl.job(label?.split("/").at(-1) ?? "")?.pid ?? 0;
      expect(alive(pid)).toBe(true);
      // What starts the Mac program becomes it only a moment later.
      await waitFor("the program under test to run in it", () => runsMacProgram(pid) === isMac);
      script.kill("SIGTERM");
      const [status, stdout] = await Promise.all([script.exited, new Response(script.stdout).text()]);
      expect(status).toBe(143);
      expect(await machine.leftovers(stdout)).toEqual([]);
      expect(alive(pid)).toBe(false);
    });

    test("says FAIL of a program that closes both sides at the first end", async () => {
      const program = join(machine.checkout, "sbin/launch_socket_server");
      const hasty = join(machine.checkout, "test/support/hasty-relay.ts");
      const library = join(machine.checkout, "build/test/liblaunchd.so");
      await cp(machine.stage.path("liblaunchd.so"), library);
      await rm(program);
      const bun = await machine.stage.bun();
      await writeFile(program, `#!/bin/sh\ncd ${machine.user.home}\nexec ${bun} ${hasty} "$@"\n`);
      await chmod(program, 0o755);
      const { status, stdout } = await verify("--no-sudo", "half-close, client first, Unix");
      expect(stdout).toMatch(/^FAIL agent on a high port: half-close, client first, Unix socket: the answer is ""/m);
      // The same program passes what it can do.
      expect((await verify("--no-sudo", "generated path")).stdout).toContain(
        "PASS agent on a high port: generated path",
      );
      expect(status).toBe(1);
      expect(await machine.leftovers(stdout)).toEqual([]);
    }, 60_000);
  },
);
