import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { copyCheckout, runIn } from "../support/checkout.ts";
import { Launchctl } from "../support/launchd/launchctl.ts";
import { peer } from "../support/peers.ts";
import { alive } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

const shellcheck = peer("shellcheck", "shellcheck");
const lsof = peer("lsof", "lsof");

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
 * Here the script believes that it runs on a Mac: the tools that it calls are stand-ins, launchctl's with the launchd
 * stand-in behind it. The relay's checks themselves are real.
 */
describe.skipIf(process.platform !== "linux" || lsof === null)("scripts/verify-macos among stand-ins", () => {
  let folder: string;
  let checkout: string;
  let launchctl: Launchctl;
  let daemons: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "verify-macos-"));
    checkout = join(folder, "checkout");
    daemons = join(folder, "daemons");
    const bin = join(folder, "bin");
    await Promise.all([daemons, bin].map((path) => mkdir(path)));
    launchctl = new Launchctl({ folder, domains: ["gui/501", "system"], throttle: 1000 });
    const tools: Record<string, string> = {
      uname: 'if [ "$1" = -m ]; then echo arm64; else echo Darwin; fi',
      sw_vers: "echo 15.1",
      id: 'if [ "$1" = -u ]; then echo 501; else exec /usr/bin/id "$@"; fi',
      codesign: "exit 0",
      sudo: 'case $1 in -v) exit ;; -n) shift ;; esac\n[ "$1" != install ] || { shift 7; exec cp "$@"; }\nexec "$@"',
      brew: [
        `echo "$*" >>${folder}/brew.log`,
        'case "$*" in',
        `  "--prefix") echo ${folder}/homebrew ;;`,
        `  "--repository "*) echo ${folder}/homebrew/tap ;;`,
        "  list*|trust*) exit 1 ;;",
        "esac",
      ].join("\n"),
    };
    for (const [name, script] of Object.entries(tools))
      await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    environment = {
      PATH: `${launchctl.bin}:${bin}:${process.env.PATH}`,
      VERIFY_MACOS_DAEMONS: daemons,
      TMPDIR: "",
    };

    await copyCheckout(checkout);
    const { devDependencies } = (await Bun.file("package.json").json()) as { devDependencies: { bun: string } };
    await mkdir(join(checkout, `build/bun-${devDependencies.bun}`), { recursive: true });
    await symlink(process.execPath, join(checkout, `build/bun-${devDependencies.bun}/bun`));
    await mkdir(join(checkout, "sbin"));
    await cp("build/test/launch_socket_server", join(checkout, "sbin/launch_socket_server"));
  }, 120_000);

  afterAll(async () => {
    await launchctl[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const verify = (...args: string[]) => runIn(checkout, ["scripts/verify-macos", ...args], environment);

  /** Jobs that are loaded, property lists of daemons, and the folder that the script worked in. */
  async function leftovers(output: string): Promise<string[]> {
    const work = /\/tmp\/launch_socket_server\.\w+$/m.exec(output)?.[0] ?? "";
    expect(work).not.toBe("");
    return [...launchctl.loaded, ...(await readdir(daemons)), ...(await readdir(work).catch(() => []))];
  }

  test("passes every check of an agent with the real program, and leaves nothing behind", async () => {
    const { status, stdout, stderr } = await verify("--no-sudo", "agent on a high port");
    expect(stdout).not.toContain("FAIL");
    expect(stdout.match(/^PASS agent on a high port: /gm)?.length).toBeGreaterThan(25);
    expect(stdout).toMatch(/^\d+ passed, 0 failed, 0 skipped$/m);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(await leftovers(stdout)).toEqual([]);
  }, 120_000);

  test("skips what needs sudo without it", async () => {
    const { status, stdout } = await verify("--no-sudo", "login_wrapper");
    expect(stdout).toContain("PASS agent on a high port: login_wrapper\n");
    expect(stdout).toContain("SKIP daemon on 127.0.0.1:80: login_wrapper: it needs sudo\n");
    expect(status).toBe(0);
  });

  test("is not content with a run in which nothing was checked", async () => {
    expect((await verify("--no-sudo", "daemon on")).status).toBe(1);
    expect((await verify("--no-sudo", "no check has this name")).status).toBe(1);
  });

  test("installs by Homebrew from a tap under the full name, and removes both", async () => {
    await mkdir(join(checkout, "dist"));
    await writeFile(join(checkout, "dist/launch_socket_server.rb"), "class LaunchSocketServer < Formula\nend\n");
    await mkdir(join(folder, "homebrew/opt/launch_socket_server/sbin"), { recursive: true });
    const installed = join(folder, "homebrew/opt/launch_socket_server/sbin/launch_socket_server");
    await cp("build/test/launch_socket_server", installed);
    const { status, stdout } = await verify("--no-sudo", "Homebrew installs");
    expect(stdout).toContain("PASS Homebrew installs the release, and its test passes\n");
    expect(status).toBe(0);
    const name = "launch-socket-server/verify/launch_socket_server";
    const calls = (await Bun.file(join(folder, "brew.log")).text()).trim().split("\n");
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

  test("removes everything when it is interrupted in the middle of a check", async () => {
    const script = Bun.spawn(["scripts/verify-macos", "no busy loop"], {
      cwd: checkout,
      env: { ...process.env, ...environment },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const label = await waitFor("a job is loaded", () => launchctl.loaded[0]);
    const pid = launchctl.job(label?.split("/").at(-1) ?? "")?.pid ?? 0;
    expect(alive(pid)).toBe(true);
    script.kill("SIGTERM");
    const [status, stdout] = await Promise.all([script.exited, new Response(script.stdout).text()]);
    expect(status).toBe(143);
    expect(await leftovers(stdout)).toEqual([]);
    expect(alive(pid)).toBe(false);
  });

  test("says FAIL of a program that closes both sides at the first end", async () => {
    const program = join(checkout, "sbin/launch_socket_server");
    const hasty = resolve("test/support/hasty-relay.ts");
    await rm(program);
    await writeFile(program, `#!/bin/sh\ncd ${folder}\nexec ${process.execPath} ${hasty} "$@"\n`, { mode: 0o755 });
    const { status, stdout } = await verify("--no-sudo", "half-close, client first, Unix");
    expect(stdout).toMatch(/^FAIL agent on a high port: half-close, client first, Unix socket: the answer is ""/m);
    // The same program passes what it can do.
    expect((await verify("--no-sudo", "generated path")).stdout).toContain("PASS agent on a high port: generated path");
    expect(status).toBe(1);
    expect(await leftovers(stdout)).toEqual([]);
  }, 60_000);
});
