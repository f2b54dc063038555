/** Starts as launchd gives them: on demand, with KeepAlive, and never sooner than its throttle allows. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { PlistValue } from "plist";
import { order } from "../support/client.ts";
import type { Job } from "../support/launchd/stand-in.ts";
import { alive } from "../support/processes.ts";
import { programUnderTest, runsMacProgram } from "../support/program-under-test.ts";
import { Stage, socket } from "../support/stage.ts";

const backend = `${import.meta.dir}/../support/faulty-backend.ts`;
/** Milliseconds; launchd's own are 10,000, which exit-idle.test.ts waits for. */
const throttle = 1000;

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.set({ throttle });
});
afterAll(() => stage[Symbol.asyncDispose]());

/** Loads a job whose server is a shell script with the backend as its arguments. */
function load(script: string, keys: { [key: string]: PlistValue } = {}): Promise<Job> {
  return stage.load({
    ProgramArguments: [stage.program, "/bin/sh", "-c", script, process.execPath, backend],
    Sockets: { Socket: socket("127.0.0.1", 0) },
    ...keys,
  });
}

const serving = 'echo $$; exec "$0" "$1" "$LAUNCH_PROGRAM_SOCKET_PATH" 511';

/** One client's whole answer. */
async function ask(job: Job): Promise<number> {
  const client = await (await order({ kind: "tcp", host: "127.0.0.1", port: job.port() }, { answer: 1000 })).over();
  client.close();
  return client.received;
}

/** Milliseconds from each start to the next. */
const pauses = ({ exits }: Job) => exits.slice(1).map(({ started }, i) => started - (exits[i]?.started ?? 0));

test("without RunAtLoad nothing runs until a client comes, who is served", async () => {
  const job = await load(serving);
  expect([job.starts, job.pid]).toEqual([0, null]);
  expect(await ask(job)).toBe(1000);
  expect(job.starts).toBe(1);
  expect(runsMacProgram(job.pid)).toBe(programUnderTest.platform === "macos");
  expect(await job.unload()).toMatchObject({ code: 0 });
});

test("with KeepAlive the daemon is started again after each end of its program, at launchd's pace", async () => {
  const job = await load("exit 3", { KeepAlive: true });
  await job.waitFor("three ends", () => job.exits.length === 3);
  for (const exit of job.exits) expect(exit).toMatchObject({ code: 1, signal: null });
  for (const pause of pauses(job)) expect(pause).toBeGreaterThanOrEqual(throttle);
  expect((await job.stderr()).match(/program `\/bin\/sh' exited: exit status 3\n/g)).toHaveLength(3);
  await job.unload();
});

test.each([
  ["0, so that the daemon ends with 0, starts nothing", "exit 0", 1],
  ["another status, starts it again", "exit 4", 2],
])("with KeepAlive's SuccessfulExit false a program that ends with %s", async (_, script, starts) => {
  const job = await load(script, { RunAtLoad: true, KeepAlive: { SuccessfulExit: false } });
  await job.waitFor("the ends", () => job.exits.length === starts);
  await job.waitFor("what launchd does then", () => job.state === (starts === 1 ? "waiting" : "throttled"));
  expect(job.starts).toBe(starts);
  await job.unload();
});

test("clients that come while the throttle holds the next start back wait and are served", async () => {
  const job = await load(serving, { KeepAlive: true });
  expect(await ask(job)).toBe(1000);
  const ended = await job.stop();
  expect(ended).toMatchObject({ code: 0 });
  expect(job.state).toBe("throttled");
  expect(await Promise.all([ask(job), ask(job), ask(job)])).toEqual([1000, 1000, 1000]);
  expect(job.starts).toBe(2);
  const last = await job.unload();
  expect((last?.started ?? 0) - (ended?.started ?? 0)).toBeGreaterThanOrEqual(throttle);
});

test("a daemon that is killed takes its program with it, which launchd ends with the process group", async () => {
  const job = await load(serving);
  expect(await ask(job)).toBe(1000);
  const program = Number((await job.stdout()).match(/^\d+$/m)?.[0]);
  expect(alive(program)).toBe(true);
  job.kill("SIGKILL");
  await job.waitFor("its end", () => job.exits.length === 1);
  expect(job.exits[0]).toMatchObject({ code: null, signal: "SIGKILL" });
  await job.waitFor("the program's end", () => !alive(program));
  // The next client is the next run's.
  expect(await ask(job)).toBe(1000);
  await job.unload();
});
