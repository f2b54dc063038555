import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Launchctl, readState, type ServiceState } from "../../../src/service/launchd/launchctl.ts";
import * as printed from "./printed-services.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "launchctl-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** A launchctl that only says this. */
async function saying(script: string): Promise<Launchctl> {
  const path = join(folder, "launchctl");
  await Bun.write(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return new Launchctl(path, "gui/501");
}

describe("readState", () => {
  test.each([
    [
      "a daemon that has never run",
      printed.daemon,
      {
        path: "/System/Library/LaunchDaemons/ssh.plist",
        program: "/usr/libexec/sshd-keygen-wrapper",
        ...{ pid: null, state: "not running", runs: 0 },
        ...{ lastEnd: null, exit: null, spawnFailed: false, keepAlive: null },
        ...{ minimumRuntime: 10, exitTimeout: 5 },
      },
    ],
    [
      "what an app has submitted, and launchd could not start",
      printed.submitted,
      {
        path: "(submitted by smd.339)",
        program: "helper",
        ...{ pid: null, state: "spawn scheduled", runs: 29 },
        lastEnd: "with status 78: EX_CONFIG",
        exit: { kind: "status", status: 78, name: "EX_CONFIG" },
        ...{ spawnFailed: true, keepAlive: true, minimumRuntime: 10, exitTimeout: 5 },
      },
    ],
    [
      "a job that was killed",
      printed.killed,
      {
        path: "/Users/sam/Library/LaunchAgents/com.example.slow.plist",
        program: "/usr/local/sbin/launch_socket_server",
        ...{ pid: null, state: "not running", runs: 23 },
        lastEnd: "by the signal Killed: 9",
        exit: { kind: "signal", signal: 9, name: "Killed" },
        ...{ spawnFailed: false, keepAlive: null, minimumRuntime: 10, exitTimeout: 20 },
      },
    ],
    [
      "lines in inner blocks that look like its own",
      printed.lookAlike,
      {
        path: "/Library/LaunchDaemons/com.example.lines.plist",
        program: "/usr/local/bin/server",
        ...{ pid: null, state: "not running", runs: 0 },
        ...{ lastEnd: null, exit: null, spawnFailed: false, keepAlive: null },
        ...{ minimumRuntime: 10, exitTimeout: 5 },
      },
    ],
    [
      "a job that macOS has ended for its code signature",
      printed.refused,
      {
        path: "/Users/sam/Library/LaunchAgents/com.example.refused.plist",
        program: "/Users/sam/go/bin/server",
        ...{ pid: null, state: "spawn scheduled", runs: 1025 },
        lastEnd: "for OS_REASON_CODESIGNING",
        exit: { kind: "reason", reason: "OS_REASON_CODESIGNING" },
        ...{ spawnFailed: true, keepAlive: true, minimumRuntime: 10, exitTimeout: 5 },
      },
    ],
    [
      "nothing",
      "",
      {
        ...{ path: undefined, program: undefined, pid: null, state: undefined, runs: null },
        ...{ lastEnd: null, exit: null, spawnFailed: false, keepAlive: null },
        ...{ minimumRuntime: null, exitTimeout: null },
      },
    ],
  ] as [string, string, Partial<ServiceState>][])("reads %s", (_, text, state) => {
    expect(readState(text)).toMatchObject(state);
  });
});

test("readState reads what launchd runs, with which variables, and where its output goes", () => {
  const log = "/Users/sam/Library/Logs/agent.log";
  const state = readState(printed.agent);
  expect(state.arguments).toEqual(["/bin/zsh", "/Users/sam/bin/guard.sh"]);
  expect([...state.environment]).toEqual([
    ["OSLogRateLimit", "64"],
    ["XPC_SERVICE_NAME", "com.example.agent"],
  ]);
  expect(state.logs).toEqual({ stdout: log, stderr: log });
  expect(readState("").logs).toEqual({ stdout: undefined, stderr: undefined });
});

describe("print", () => {
  test("reads the state out of what launchctl prints", async () => {
    await Bun.write(join(folder, "text"), printed.agent);
    expect(await (await saying(`cat ${folder}/text`)).print("a")).toMatchObject({
      path: "/Users/sam/Library/LaunchAgents/com.example.agent.plist",
      program: "/bin/zsh",
      ...{ pid: 44_028, state: "running", runs: 1771 },
      lastEnd: "with status 0",
      exit: { kind: "status", status: 0, name: null },
      ...{ spawnFailed: false, keepAlive: false, minimumRuntime: 10, exitTimeout: 5 },
    });
  });

  test("is null for a service that launchd does not know", async () => {
    const launchctl = await saying(`echo 'Bad request.' >&2; echo 'Could not find service "a"' >&2; exit 113`);
    expect(await launchctl.print("a")).toBeNull();
  });

  test.each([
    ["exit 125", "cannot reach launchd's gui/501: nobody is logged in as this user at the Mac's screen"],
    ["exit 112", "cannot reach launchd's gui/501: nobody is logged in as this user at the Mac's screen"],
    [
      "echo Bad request. >&2; echo Not privileged >&2; exit 1",
      "cannot ask launchd for a: Not privileged (launchctl print: exit status 1)",
    ],
  ])("with %j throws a sentence", async (script, sentence) => {
    await expect((await saying(script)).print("a")).rejects.toThrow(sentence);
  });
});

test("tells what somebody has disabled", async () => {
  // The words of macOS 13 and newer, and those before.
  const launchctl = await saying(
    `printf '\\tdisabled services = {\\n\\t\\t"a" => disabled\\n\\t\\t"b" => true\\n\\t\\t"c" => enabled\\n\\t\\t"d" => false\\n\\t}\\n'`,
  );
  const answers = await Promise.all(["a", "b", "c", "d", "e"].map((label) => launchctl.isDisabled(label)));
  expect(answers).toEqual([true, true, false, false, false]);
  expect(await (await saying("exit 64")).isDisabled("a")).toBe(false);
});

test("what changes services says how it ended, without the advice to be root", async () => {
  const launchctl = await saying(`
    echo "$*"
    if [ "$1" = bootstrap ]; then
      echo 'Bootstrap failed: 5: Input/output error' >&2
      echo 'Try re-running the command as root for richer errors.' >&2
      exit 5
    fi`);
  expect(await launchctl.bootstrap("/a.plist")).toEqual({ status: 5, text: "Bootstrap failed: 5: Input/output error" });
  expect(await launchctl.bootout("a")).toEqual({ status: 0, text: "bootout gui/501/a\n" });
  expect(await launchctl.enable("a")).toEqual({ status: 0, text: "enable gui/501/a\n" });
  expect(await launchctl.kill("SIGTERM", "a")).toEqual({ status: 0, text: "kill SIGTERM gui/501/a\n" });
  expect(await launchctl.kickstart("a")).toEqual({ status: 0, text: "kickstart gui/501/a\n" });
});

test("a launchctl that is not there is a sentence", async () => {
  await expect(new Launchctl(join(folder, "nothing"), "system").print("a")).rejects.toThrow(
    /^cannot run .*nothing: ENOENT/,
  );
});
