import { expect, test } from "bun:test";
import { join } from "node:path";
import { build } from "plist";
import { alive } from "../processes.ts";
import { ask, Fixture, loopback, shell } from "./fixture.ts";
import type { Job } from "./stand-in.ts";

const fixture = new Fixture();
const Sockets = { Web: loopback };
const serving = (connections: number) => fixture.probe("activate", "Web", "serve", String(connections));

/** Milliseconds from one start to the next. */
async function intervals(job: Job, starts: number): Promise<number[]> {
  await job.waitFor(`${starts} ended runs`, () => job.exits.length >= starts);
  return job.exits.slice(1).map((exit, index) => exit.started - (job.exits[index]?.started ?? 0));
}

test("starts a job on the first connection, again and again", async () => {
  const job = await fixture.load({ ProgramArguments: serving(1), Sockets });
  expect([job.state, job.pid, job.starts]).toEqual(["waiting", null, 0]);
  const first = Number(await ask({ port: job.port() }));
  await job.waitFor("the end of the run", () => job.exits.length === 1);
  expect([job.state, job.pid, job.starts]).toEqual(["waiting", null, 1]);
  const second = Number(await ask({ port: job.port() }));
  await job.waitFor("the end of the run", () => job.exits.length === 2);
  expect(job.exits.map(({ pid }) => pid)).toEqual([first, second]);
  expect(second).not.toBe(first);
});

test("keeps connections that wait when a run ends for the next one", async () => {
  const job = await fixture.load({ ProgramArguments: serving(2), Sockets });
  const answers = await Promise.all(Array.from({ length: 6 }, () => ask({ port: job.port() })));
  await job.waitFor("the end of the run", () => job.exits.length === 3);
  const expected = job.exits.flatMap(({ pid }) => [`${pid}\n`, `${pid}\n`]);
  expect(answers.sort()).toEqual(expected.sort());
});

test("starts a job with KeepAlive at load and again whenever it ends, the throttle apart", async () => {
  fixture.configure({ throttle: 60 });
  const job = await fixture.load({ ProgramArguments: ["/bin/true"], KeepAlive: true });
  expect([job.state, job.starts]).toEqual(["running", 1]);
  for (const interval of await intervals(job, 4)) expect(interval).toBeGreaterThanOrEqual(60);
  await job.unload();
  expect([job.state, job.pid]).toEqual(["unloaded", null]);
});

test("counts the throttle from the start, not from the end", async () => {
  fixture.configure({ throttle: 300 });
  const job = await fixture.load({ ProgramArguments: ["/bin/sleep", "0.2"], KeepAlive: true });
  const [interval = 0] = await intervals(job, 2);
  const [first = { started: 0, ended: 0 }] = job.exits;
  expect(interval).toBeGreaterThanOrEqual(300);
  expect(interval).toBeLessThan(first.ended - first.started + 300);
});

test("starts it again after failures, or after successes, as SuccessfulExit says", async () => {
  fixture.configure({ throttle: 10 });
  const until = (wanted: string, other: string) =>
    shell(
      `cd ${fixture.folder}; echo >> ${wanted}-runs; test $(wc -l < ${wanted}-runs) -lt 3 && exit ${wanted}; exit ${other}`,
    );
  for (const [SuccessfulExit, wanted, other] of [
    [false, "3", "0"],
    [true, "0", "3"],
  ] as const) {
    const job = await fixture.load({
      Label: wanted,
      ProgramArguments: until(wanted, other),
      KeepAlive: { SuccessfulExit },
    });
    await job.waitFor("three runs", () => job.exits.length === 3 && job.state === "waiting");
    expect(job.exits.map(({ code }) => String(code))).toEqual([wanted, wanted, other]);
  }
});

test("stop ends a run by SIGTERM, and KeepAlive starts the next", async () => {
  const job = await fixture.load({ ProgramArguments: serving(100), KeepAlive: true, Sockets });
  const first = Number(await ask({ port: job.port() }));
  expect(await job.stop()).toMatchObject({ pid: first, code: null, signal: "SIGTERM" });
  const second = Number(await ask({ port: job.port() }));
  expect(second).toBe(job.pid ?? 0);
  expect(second).not.toBe(first);
  expect(await job.unload()).toMatchObject({ pid: second, signal: "SIGTERM" });
  expect(await job.stop()).toBe(null);
});

test("a job may handle SIGTERM and exit as it likes; kill sends any signal", async () => {
  const ProgramArguments = shell("trap 'echo hup' HUP; trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done");
  const job = await fixture.load({ ProgramArguments, RunAtLoad: true });
  await job.waitFor("the traps", async () => (await job.stdout()) === "ready\n");
  job.kill("SIGHUP");
  await job.waitFor("the signal", async () => (await job.stdout()) === "ready\nhup\n");
  expect(await job.stop()).toMatchObject({ code: 5, signal: null });
  expect(job.state).toBe("waiting");
  expect(() => job.kill("SIGHUP")).toThrow("com.example.job is not running");
});

test("kills a job that ignores SIGTERM after ExitTimeOut", async () => {
  const keys = { ProgramArguments: fixture.probe("stubborn", "pause"), RunAtLoad: true, ExitTimeOut: 1 };
  const job = await fixture.load(keys);
  await job.waitFor("the trap", async () => (await job.stdout()) === "stubborn\n");
  const stopped = performance.now();
  const exit = await job.stop();
  expect(exit).toMatchObject({ code: null, signal: "SIGKILL" });
  expect((exit?.ended ?? 0) - stopped).toBeGreaterThanOrEqual(1000);
});

test("kills a job that ignores SIGTERM after 5 s where the plist has no ExitTimeOut, and never where it is 0", async () => {
  const keys = { ProgramArguments: fixture.probe("stubborn", "pause"), RunAtLoad: true };
  const job = await fixture.load(keys);
  const never = await fixture.load({ ...keys, Label: "never", ExitTimeOut: 0 });
  expect([job.exitTimeout, never.exitTimeout]).toEqual([5000, Number.POSITIVE_INFINITY]);
  await job.waitFor("the trap", async () => (await job.stdout()) === "stubborn\n");
  const stopped = performance.now();
  const exit = await job.stop();
  expect(exit).toMatchObject({ code: null, signal: "SIGKILL" });
  expect((exit?.ended ?? 0) - stopped).toBeGreaterThanOrEqual(5000);
});

test("cuts an agent's ExitTimeOut to 60 s", async () => {
  const file = join(fixture.folder, "job.plist");
  for (const [Label, seconds, expected] of [
    ["short", 30, 30_000],
    ["long", 215, 60_000],
  ] as const) {
    await Bun.write(file, build({ Label, ProgramArguments: ["/bin/true"], ExitTimeOut: seconds }));
    expect((await fixture.launchd.load(file, { agent: true })).exitTimeout).toBe(expected);
  }
});

test("ends what is left of the process group, unless AbandonProcessGroup", async () => {
  for (const AbandonProcessGroup of [false, true]) {
    const ProgramArguments = fixture.probe("child", "pause");
    const job = await fixture.load({
      Label: `${AbandonProcessGroup}`,
      ProgramArguments,
      RunAtLoad: true,
      AbandonProcessGroup,
    });
    const child = await job.waitFor("the child", async () => Number((await job.stdout()).match(/child (\d+)/)?.[1]));
    await job.stop();
    if (!AbandonProcessGroup) await job.waitFor("the child's end", () => !alive(child));
    else expect(alive(child)).toBe(true);
  }
});

test("waitFor tells how the job fares", async () => {
  const job = await fixture.load({ ProgramArguments: shell("echo no luck >&2; exit 9"), RunAtLoad: true });
  await job.waitFor("the end of the run", () => job.exits.length > 0);
  const failure = job.waitFor("a miracle", () => false, 20);
  await expect(failure).rejects.toThrow(
    /^waited 20 ms in vain for a miracle; com.example.job is waiting, starts: 1, exits: .*"code":9.*no luck/s,
  );
});
