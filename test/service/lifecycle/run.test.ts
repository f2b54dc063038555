import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Launchctl } from "../../../src/service/launchd/launchctl.ts";
import { restart } from "../../../src/service/lifecycle/restart.ts";
import { beginRun, endRun, waitUntilSteady } from "../../../src/service/lifecycle/run.ts";
import { stop, stopIdle } from "../../../src/service/lifecycle/stop.ts";
import type { Target } from "../../../src/service/lifecycle/target.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "run-"));
});
afterEach(() => rm(folder, { recursive: true }));

const running =
  'printf "\\tstate = running\\n\\tpid = 7\\n\\truns = 2\\n\\tlast exit code = 0\\n\\texit timeout = 1\\n"';
const resting = 'printf "\\tstate = not running\\n\\truns = 2\\n\\tlast exit code = 3\\n"';

/** A service that is loaded, and a launchctl that answers each verb by a line of shell. */
async function target(verbs: { [verb: string]: string }): Promise<Target> {
  const program = join(folder, "launchctl");
  const cases = Object.entries(verbs).map(([verb, line]) => `${verb}) ${line} ;;`);
  await Bun.write(program, `#!/bin/sh\necho "$*" >> ${folder}/calls\ncase "$1" in\n${cases.join("\n")}\nesac\n`);
  await chmod(program, 0o755);
  const launchctl = new Launchctl(program, "system");
  const domain = { kind: "daemon", folder, name: "system" } as const;
  const loaded = await new Launchctl(program, "system").print("web");
  return { label: "web", path: join(folder, "web.plist"), file: null, disabled: false, loaded, domain, launchctl };
}

const calls = async () => (await Bun.file(join(folder, "calls")).text()).trim().split("\n");
const refusal = (status: number, words: string) => `echo '${words}' >&2; exit ${status}`;

test("a signal that launchd does not send is told in its words", async () => {
  const web = await target({ print: running, kill: refusal(1, "Operation not permitted") });
  await expect(endRun(web, 7, 1)).rejects.toThrow("launchd does not signal it (Operation not permitted)");
  const silent = await target({ print: running, kill: "exit 9" });
  await expect(endRun(silent, 7, 1)).rejects.toThrow("launchd does not signal it (launchctl kill: exit status 9)");
});

test("a process that has ended before the signal has ended", async () => {
  const web = await target({ print: resting, kill: refusal(3, "No process to signal.") });
  expect((await endRun(web, 7, 1))?.pid).toBeNull();
});

test("a process that does not end is waited for as long as it may take, and left alone", async () => {
  const web = await target({ print: running, kill: "" });
  const started = performance.now();
  await expect(endRun(web, 7, 0)).rejects.toThrow("launchctl kill SIGKILL system/web ends it at once");
  expect(performance.now() - started).toBeGreaterThan(1_900);
  expect((await calls()).filter((call) => !call.startsWith("print"))).toEqual(["kill SIGTERM system/web"]);
});

test("a start that launchd refuses is told; of one that runs already it says EALREADY", async () => {
  const words =
    "Could not kickstart service: 150: Operation not permitted while System Integrity Protection is engaged";
  await expect(beginRun(await target({ print: resting, kickstart: refusal(150, words) }))).rejects.toThrow(
    `launchd does not start it (${words})`,
  );
  await beginRun(await target({ print: running, kickstart: "exit 37" }));
});

test("waitUntilSteady tells an end since the start from the one before, and a service that is gone", async () => {
  const web = await target({ print: resting });
  await expect(waitUntilSteady(web, 1)).rejects.toThrow("it ended with status 3");
  await expect(waitUntilSteady(await target({ print: "exit 113" }), 1)).rejects.toThrow("launchd has dropped it");
  expect(await waitUntilSteady(await target({ print: running }), 2)).toBe(7);
});

test("each command is one sentence where launchd fails it", async () => {
  const said: string[] = [];
  const print = (text: string) => void said.push(text);
  const web = await target({ print: running, kill: "exit 9", bootout: refusal(1, "Operation not permitted") });
  await expect(stop(web, print)).rejects.toThrow("cannot stop web: launchd does not stop it (Operation not permitted)");
  await expect(stopIdle(web, print)).rejects.toThrow("cannot stop web with --idle: launchd does not signal it");
  await expect(restart(web, print)).rejects.toThrow(
    "cannot restart web: launchd does not signal it (launchctl kill: exit status 9); --status web looks for the reason",
  );
  expect(said).toHaveLength(3);
});

test("a restart whose service somebody boots out meanwhile says so", async () => {
  const web = await target({
    print: `[ -e ${folder}/killed ] && exit 113; ${running}`,
    kill: `touch ${folder}/killed`,
  });
  await expect(restart(web, () => {})).rejects.toThrow("cannot restart web: launchd has dropped it");
});
