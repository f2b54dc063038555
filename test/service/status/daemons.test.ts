import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderOf, socketIn } from "../../../src/control/folder.ts";
import { ControlServer } from "../../../src/control/server.ts";
import { daemonOf, daemonsOf, entryOf } from "../../../src/service/status/daemons.ts";
import { account } from "./fixture.ts";

const uid = process.geteuid?.() ?? 0;
let parent: string;
let folder: string;
let server: ControlServer | null;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "daemons-"));
  folder = folderOf(uid, parent);
  server = null;
});
afterEach(() => {
  server?.close();
  rmSync(parent, { recursive: true });
});

/** This process answers. */
function answer(status: object): void {
  server = ControlServer.open(
    () => status,
    () => {},
    folder,
  );
}

test("those that answer are listed, by their own account", async () => {
  const status = account({ pid: process.pid });
  answer(status);
  expect(await daemonsOf(uid, parent)).toEqual([entryOf(status)]);
  expect(await daemonOf(process.pid, { parent })).toEqual(entryOf(status));
});

test("one whose answer lacks something is listed with the reason", async () => {
  answer({ version: "9.0.0" });
  expect(await daemonsOf(uid, parent)).toMatchObject([
    {
      pid: process.pid,
      state: "does not answer",
      works: false,
      problem: expect.stringContaining("of another version"),
    },
  ]);
});

test("a folder that is not its user's alone is not looked into", async () => {
  answer(account({ pid: process.pid }));
  chmodSync(folder, 0o755);
  expect(await daemonsOf(uid, parent)).toEqual([]);
});

test("names of processes that there are not, ever so many, take no time", async () => {
  answer(account({ pid: process.pid }));
  for (let pid = 2_000_000_000; pid < 2_000_005_000; pid++) writeFileSync(socketIn(folder, pid), "");
  const started = performance.now();
  expect((await daemonsOf(uid, parent)).map(({ pid }) => pid)).toEqual([process.pid]);
  expect(performance.now() - started).toBeLessThan(2_000);
}, 30_000);

test("a daemon that is stopping does not work", () => {
  const [program] = account().programs;
  if (program === undefined) throw new Error("no program");
  const stopping = account({ programs: [{ ...program, state: "stopping" }] });
  expect(entryOf(stopping)).toMatchObject({ state: "stopping", works: false });
  const draining = account({ programs: [program, { ...program, state: "stopping" }] });
  expect(entryOf(draining)).toMatchObject({ state: "running", works: true });
});

test("a unit's name stands where there is no label", () => {
  expect(entryOf(account({ label: null, unit: "web.service" })).name).toBe("web.service");
  expect(entryOf(account({ label: null })).name).toBeNull();
});
