import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readScript } from "../../src/system/script.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "script-"));
});
afterAll(() => rm(folder, { recursive: true }));

test.each([
  ["#!/bin/sh\necho\n", { interpreter: "/bin/sh", command: null }],
  ["#! /opt/python/bin/python3 -u\n", { interpreter: "/opt/python/bin/python3", command: null }],
  ["#!/usr/bin/env node\n", { interpreter: "/usr/bin/env", command: "node" }],
  ["#!/usr/bin/env -S A=1 ruby -w", { interpreter: "/usr/bin/env", command: "ruby" }],
  ["#!/usr/bin/env", { interpreter: "/usr/bin/env", command: null }],
  ["echo hello\n", "bare"],
  ["\xcf\xfa\xed\xfe\0\0\0", null],
  ["", null],
] as const)("%j", async (text, found) => {
  const path = join(folder, "file");
  await Bun.write(path, Buffer.from(text, "latin1"));
  expect(readScript(path)).toEqual(found as never);
});

test("what cannot be read is not judged", () => {
  expect(readScript(join(folder, "none"))).toBeNull();
  expect(readScript(folder)).toBeNull();
});
