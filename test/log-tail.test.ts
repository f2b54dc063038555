import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LogTail } from "../src/log-tail.ts";

let folder: string;
let path: string;
let fd: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "log-tail-"));
  path = join(folder, "log");
  writeFileSync(path, "from before\n");
  // As launchd opens a log.
  fd = openSync(path, "a");
});
afterEach(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

test("has the last lines that came since, without ours and without control characters", () => {
  const tail = new LogTail(fd);
  expect(tail.lines(5)).toEqual([]);
  appendFileSync(
    path,
    "one\r\nlaunch_socket_server: reloading\ntwo\n\n\x1b[31mthree\n\x1b[31mlaunch_socket_server: x\nfour",
  );
  expect(tail.lines(5)).toEqual(["one", "two", "\\u001b[31mthree", "four"]);
  expect(tail.lines(2)).toEqual(["\\u001b[31mthree", "four"]);
});

test("reads no more than the end of a long log", () => {
  const tail = new LogTail(fd);
  appendFileSync(path, `${"x".repeat(100)}\n`.repeat(100_000));
  expect(tail.lines(1_000).length).toBeWithin(50, 100);
});

test("begins anew where the log was emptied", () => {
  const tail = new LogTail(fd);
  truncateSync(path);
  appendFileSync(path, "new\n");
  expect(tail.lines(5)).toEqual(["new"]);
});

test("does not take another file for it that has its name by now", () => {
  const tail = new LogTail(fd);
  renameSync(path, `${path}.1`);
  writeFileSync(path, "from before\nother\n");
  expect(tail.lines(5)).toEqual([]);
});

test("knows nothing of what is not a file", () => {
  const device = openSync("/dev/null", "a");
  try {
    expect(new LogTail(device).lines(5)).toEqual([]);
  } finally {
    closeSync(device);
  }
});
