import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastFailure, logOf, readTail } from "../../../src/service/diagnosis/log-tail.ts";

let folder: string;
let log: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "log-tail-"));
  log = join(folder, "web.log");
});
afterEach(() => rm(folder, { recursive: true }));

test("is the last ten lines, with or without a newline at the end", async () => {
  const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`);
  await Bun.write(log, `${lines.join("\n")}\n`);
  expect(readTail(log)).toEqual({ lines: lines.slice(20) });
  await Bun.write(log, lines.join("\n"));
  expect(readTail(log, 3)).toEqual({ lines: lines.slice(27) });
  await Bun.write(log, "");
  expect(readTail(log)).toEqual({ lines: [] });
});

test("reads no more than the end of a long log, and no half line", async () => {
  await Bun.write(log, `${"x".repeat(1_000_000)}\nlast\n`);
  expect(readTail(log)).toEqual({ lines: ["last"] });
});

test("says why there is none, and waits for nobody", async () => {
  expect(readTail(log)).toEqual({ problem: "it is not there yet" });
  expect(readTail(folder)).toEqual({ problem: "it is not a file" });
  await Bun.$`mkfifo ${log}`;
  expect(readTail(log)).toEqual({ problem: "it is not a file" });
});

test("logOf is where errors go, else where output goes", () => {
  expect(logOf({ StandardOutPath: "/out", StandardErrorPath: "/err" })).toBe("/err");
  expect(logOf({ StandardOutPath: "/out" })).toBe("/out");
  expect(logOf({})).toBeNull();
});

test("lastFailure is the last line in which this program says that something failed", () => {
  const lines = [
    "launch_socket_server: cannot serve: an older failure",
    "launch_socket_server: serving 127.0.0.1:80 by node at /tmp/x.sock",
    "TypeError: launch_socket_server: cannot be the program's words",
    "launch_socket_server: program `node' exited: exit status 3",
    "launch_socket_server: serving 127.0.0.1:80 by node at /tmp/x.sock",
  ];
  expect(lastFailure(lines)).toBe("program `node' exited: exit status 3");
  expect(lastFailure(lines.slice(0, 2))).toBe("cannot serve: an older failure");
  expect(lastFailure([])).toBeNull();
});
