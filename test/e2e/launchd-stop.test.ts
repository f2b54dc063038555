/** Stops as launchd gives them: SIGTERM, and SIGKILL when ExitTimeOut, or 5 s, are over. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { PlistValue } from "plist";
import type { Address } from "../../src/address.ts";
import { type Client, order } from "../support/client.ts";
import type { Job } from "../support/launchd/stand-in.ts";
import { alive } from "../support/processes.ts";
import { Stage, socket } from "../support/stage.ts";

const backend = `${import.meta.dir}/../support/faulty-backend.ts`;
/** An answer that takes so many seconds. */
const transfer = (seconds: number) =>
  ({ answer: seconds * 1_000_000, chunk: 100_000, pause: 100, last: "end" }) as const;

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.set();
});
afterAll(() => stage[Symbol.asyncDispose]());

interface Running {
  job: Job;
  address: Address;
  /** The process of the program, and the folder of its socket. */
  program: number;
  folder: string;
}

/** Loads a job whose program is the backend; SIGTERM ends that at once, as it does most servers, unless it ignores it. */
async function load(keys: { [key: string]: PlistValue } = {}, onTerm = "", stopTimeout = ""): Promise<Running> {
  const shell = `echo $$ $LAUNCH_PROGRAM_SOCKET_PATH; exec "$0" "$1" "$LAUNCH_PROGRAM_SOCKET_PATH" 511 ${onTerm}`;
  const job = await stage.load({
    ProgramArguments: [stage.program, "/bin/sh", "-c", shell, process.execPath, backend],
    Sockets: { Socket: socket("127.0.0.1", 0) },
    // What is left behind goes with the stage.
    EnvironmentVariables: { TMPDIR: stage.folder, LAUNCH_PROGRAM_STOP_TIMEOUT: stopTimeout },
    RunAtLoad: true,
    ...keys,
  });
  const [, pid, path = ""] =
    (await job.waitFor("the program", async () => (await job.stdout()).match(/^(\d+) (.*)$/m))) ?? [];
  const address = { kind: "tcp", host: "127.0.0.1", port: job.port() } as const;
  return { job, address, program: Number(pid), folder: dirname(path) };
}

/** Boots the job out while a client gets a transfer; how the run ended, after how many seconds, and what is left. */
async function bootOut({ job, address, program, folder }: Running, length: number) {
  const client = await order(address, transfer(length));
  await client.got(100_000);
  const asked = performance.now();
  const exit = await job.unload();
  return {
    client,
    exit,
    seconds: ((exit?.ended ?? 0) - asked) / 1000,
    left: [alive(program), existsSync(folder)],
    job,
  };
}

const cutOff = ({ received, differsAt }: Client) => received > 1_000_000 && received < 4_000_000 && differsAt === null;

test("without ExitTimeOut a transfer that takes longer is cut off in order, within launchd's 5 s", async () => {
  const { client, exit, seconds, left, job } = await bootOut(await load(), 10);
  await client.over();
  client.close();
  expect(exit).toMatchObject({ code: 0, signal: null });
  expect(seconds).toBeLessThan(4.5);
  // Half of the stop's 4 s were for the transfer.
  expect(seconds).toBeGreaterThan(1.9);
  expect(cutOff(client)).toBe(true);
  expect(left).toEqual([false, false]);
  expect(await job.stderr()).not.toContain("killed");
});

test("without ExitTimeOut a program that ignores SIGTERM is killed before launchd kills us", async () => {
  const { client, exit, seconds, left, job } = await bootOut(await load({}, "ignore-term"), 10);
  client.close();
  expect(exit).toMatchObject({ code: 1, signal: null });
  expect(seconds).toBeLessThan(4.9);
  expect(await job.stderr()).toContain("did not end in time and was killed");
  expect(left).toEqual([false, false]);
});

test("with a longer stop timeout and an ExitTimeOut above it the transfer ends first", async () => {
  const { client, exit, left } = await bootOut(await load({ ExitTimeOut: 15 }, "", "12s"), 4);
  await client.over();
  client.close();
  expect([client.received, client.differsAt, client.state]).toEqual([4_000_000, null, "ended"]);
  expect(exit).toMatchObject({ code: 0, signal: null });
  expect(left).toEqual([false, false]);
});

test("a stop timeout that is longer than launchd waits leaves the folder behind: what --check-plist notes", async () => {
  const { client, exit, left } = await bootOut(await load({}, "", "15s"), 10);
  client.close();
  expect(exit).toMatchObject({ code: null, signal: "SIGKILL" });
  expect(left[1]).toBe(true);
});
