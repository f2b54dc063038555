/** `--status` of units, with the real systemd: as the manager of a user, in namespaces of its own. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Entry } from "../../src/service/status/entry.ts";
import { Command } from "../support/command.ts";
import { peer } from "../support/peers.ts";
import { programUnderTest } from "../support/program-under-test.ts";

const systemd = peer("systemd-socket-activate", "systemd") === null ? null : "/lib/systemd/systemd";
const namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"];
const possible =
  process.platform === "linux" &&
  systemd !== null &&
  Bun.spawnSync([...namespaces, "true"], { stderr: "ignore" }).exitCode === 0;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "units-"));
  await mkdir(join(folder, ".config/systemd/user"), { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

const unit = (name: string, text: string) => Bun.write(join(folder, ".config/systemd/user", name), text);

/** Runs a script where systemd has these units, and returns what it prints: JSON, a line for each call of `show`, with its exit status. */
async function underSystemd(...script: string[]): Promise<{ exit: number; entry: Entry | null }[]> {
  const lines = [
    "mount -t proc proc /proc; mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system /run/user",
    "ip link set lo up",
    `${systemd} --user > ${folder}/log 2>&1 &`,
    "until systemctl --user is-system-running | grep -Eq 'running|degraded'; do sleep 0.05; done",
    'show() { local exit=0 entry; entry=$("$PROGRAM" --status "$1" --json 2>/dev/null) || exit=$?',
    '[ -n "$entry" ] || entry=null; echo "{\\"exit\\":$exit,\\"entry\\":$entry}" | tr -d "\\n"; echo; }',
    'until_state() { until [ "$(systemctl --user is-active "$1")" = "$2" ]; do sleep 0.05; done; }',
    ...script,
  ];
  await using run = new Command([...namespaces, "bash", "-u", "-c", lines.join("\n")], {
    env: { PROGRAM: programUnderTest.path, HOME: folder, XDG_RUNTIME_DIR: "/run/user" },
  });
  const { code, stdout, stderr } = await run.ended(60_000);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

const server = "sh -c 'exec sleep 1000'";

describe.skipIf(!possible)("a unit of systemd (package systemd; for root)", () => {
  test("waits for a connection, runs, and has ended", async () => {
    await unit("hello.socket", "[Socket]\nListenStream=127.0.0.1:80\nListenStream=[::1]:8080\n");
    await unit(
      "hello.service",
      `[Unit]\nRequires=hello.socket\n[Service]\nExecStart=${programUnderTest.path} --connect-timeout 1s ${server}\nKillMode=mixed\n`,
    );
    const found = await underSystemd(
      "systemctl --user start hello.socket; show hello",
      'systemctl --user start hello.service; until "$PROGRAM" --status hello | grep -q "^  connections"; do sleep 0.05; done; show hello; show hello.service',
      "systemctl --user stop hello.service; show hello",
      "systemctl --user stop hello.socket; show hello; show nothing-of-that-name",
    );
    const sockets = { name: "hello.service", addresses: ["127.0.0.1:80", "[::1]:8080"] };
    const running = {
      exit: 0,
      entry: {
        ...sockets,
        state: "running",
        program: ["sh", "-c", "exec sleep 1000"],
        status: { unit: "hello.service" },
      },
    };
    expect(found).toMatchObject([
      { exit: 0, entry: { ...sockets, state: "waiting for a connection", works: true, pid: null, lastEnd: null } },
      running,
      running,
      { exit: 0, entry: { ...sockets, state: "waiting for a connection", pid: null, lastEnd: "ended normally" } },
      { exit: 3, entry: { ...sockets, state: "not running", works: false, pid: null } },
      { exit: 4, entry: null },
    ]);
  }, 60_000);

  test("that has failed says how, and one that runs something else is none of ours", async () => {
    await unit(
      "crashing.service",
      `[Service]\nExecStart=${programUnderTest.path} --listen 127.0.0.1:80 sh -c 'exit 7'\n`,
    );
    await unit("other.service", "[Service]\nExecStart=/bin/sleep 1000\n");
    const found = await underSystemd(
      "systemctl --user start crashing.service other.service; until_state crashing.service failed; show crashing; show other",
    );
    expect(found).toMatchObject([
      { exit: 3, entry: { name: "crashing.service", state: "failed", works: false, lastEnd: "ended with status 1" } },
      { exit: 4, entry: null },
    ]);
  }, 60_000);

  test("with --pass-sockets runs without figures, and the reason is told", async () => {
    await unit(
      "passing.service",
      `[Service]\nExecStart=${programUnderTest.path} --listen 127.0.0.1:80 --pass-sockets ${server}\n`,
    );
    const found = await underSystemd(
      "systemctl --user start passing.service; until grep -q sleep /proc/$(systemctl --user show --property=MainPID --value passing)/comm; do sleep 0.05; done; show passing",
    );
    expect(found).toMatchObject([
      {
        exit: 0,
        entry: { state: "running", works: true, status: null, problem: expect.stringContaining("--pass-sockets") },
      },
    ]);
  }, 60_000);
});
