import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAddress, parseTcpAddress } from "../../../src/address.ts";
import { listenersAt, portProblems, readListeners } from "../../../src/service/diagnosis/listeners.ts";

/** The form of `lsof -nP -iTCP -sTCP:LISTEN -F pcn` (lsof(8), OUTPUT FOR OTHER PROGRAMS): `f` always comes, too. */
const text = [
  ...["p1", "claunchd", "f22", "n127.0.0.1:80", "f23", "n*:22", "f24", "n*:22"],
  ...["p345", "chttpd", "f4", "n*:8080", "f6", "n127.0.0.1:443"],
  ...["p346", "cGoogle\\x20Chrome", "f7", "n[::1]:9000"],
  "",
].join("\n");
const listeners = readListeners(text);

test("reads what lsof says", () => {
  expect(listeners).toHaveLength(6);
  expect(listeners[0]).toEqual({ pid: 1, command: "launchd", address: "127.0.0.1:80" });
  expect(listeners.at(-1)).toEqual({ pid: 346, command: "Google Chrome", address: "[::1]:9000" });
  expect(readListeners("")).toEqual([]);
});

test.each([
  ["127.0.0.1:443", ["httpd"]],
  ["127.0.0.1:80", ["launchd"]],
  ["[::1]:9000", ["Google Chrome"]],
  ["127.0.0.1:9000", []],
  // One for all addresses leaves a single one free.
  ["127.0.0.1:8080", []],
  ["0.0.0.0:8080", ["httpd"]],
  ["[::]:8080", ["httpd"]],
  // What is bound to a single address gets its connections.
  ["0.0.0.0:443", ["httpd"]],
  ["0.0.0.0:22", ["launchd", "launchd"]],
])("connections to %s go to %j", (address, commands) => {
  expect(listenersAt(parseTcpAddress(address), listeners).map(({ command }) => command)).toEqual(commands);
});

describe("portProblems", () => {
  let folder: string;
  let lsof: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "listeners-"));
    lsof = join(folder, "lsof");
    await Bun.write(`${lsof}.txt`, text);
    await Bun.write(lsof, `#!/bin/sh\ncat ${lsof}.txt\n`);
    await chmod(lsof, 0o755);
  });
  afterEach(() => rm(folder, { recursive: true }));
  const problems = async (address: string, uid = 0, pid: number | null = null, loaded = true) =>
    (await portProblems([parseAddress(address)], { lsof, uid }, { pid, loaded })).map((problem) =>
      problem.replace(/; .*/, ""),
    );

  test("are another program on the port, and for root that nobody is", async () => {
    const held = ["127.0.0.1:443 is held by httpd (pid 345), so launchd cannot serve it"];
    expect(await problems("127.0.0.1:443")).toEqual(held);
    expect(await problems("127.0.0.1:443", 501)).toEqual(held);
    expect(await problems("127.0.0.1:443", 0, null, false)).toEqual(held);
    expect(await problems("127.0.0.1:443", 0, 345)).toEqual([]);
    expect(await problems("127.0.0.1:80")).toEqual([]);
    expect(await problems("127.0.0.1:81")).toEqual(["nobody listens on 127.0.0.1:81: launchd could not bind it"]);
    expect(await problems("127.0.0.1:81", 501)).toEqual([]);
    expect(await problems("127.0.0.1:81", 0, null, false)).toEqual([]);
    expect(await problems("/tmp/a.sock")).toEqual([]);
  });

  test("are looked for at every address of a name", async () => {
    const found = await problems("localhost:443");
    expect(found).toContain("127.0.0.1:443 is held by httpd (pid 345), so launchd cannot serve it");
    expect(await problems("unknown.invalid:443")).toEqual([]);
  });

  test("are none where lsof is not there", async () => {
    lsof = join(folder, "nothing");
    expect(await problems("127.0.0.1:443")).toEqual([]);
  });
});
