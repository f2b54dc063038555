import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isWritableByOthers, replaceableFolder } from "../../src/system/permissions.ts";

test.each([
  { mode: 0o755, gid: 20, linux: false, macos: false },
  { mode: 0o757, gid: 0, linux: true, macos: true },
  { mode: 0o1777, gid: 0, linux: true, macos: true },
  { mode: 0o775, gid: 20, linux: true, macos: true },
  { mode: 0o775, gid: 0, linux: false, macos: false },
  { mode: 0o775, gid: 80, linux: true, macos: false },
])("%p", ({ mode, gid, linux, macos }) => {
  expect({
    linux: isWritableByOthers({ mode, gid }, "linux"),
    macos: isWritableByOthers({ mode, gid }, "macos"),
  }).toEqual({
    linux,
    macos,
  });
});

describe.skipIf(process.getuid?.() !== 0)("replaceableFolder (for root)", () => {
  let outer: string;
  let inner: string;
  beforeEach(() => {
    outer = mkdtempSync("/tmp/permissions-");
    inner = join(outer, "inner");
    mkdirSync(inner);
  });
  afterEach(() => rmSync(outer, { recursive: true }));

  test.each([
    { uid: 0, gid: 0, mode: 0o755, found: false },
    { uid: 0, gid: 0, mode: 0o775, found: false },
    { uid: 501, gid: 20, mode: 0o755, found: false },
    { uid: 501, gid: 20, mode: 0o775, found: true },
    { uid: 0, gid: 0, mode: 0o777, found: true },
    { uid: 0, gid: 0, mode: 0o1777, found: false },
    { uid: 501, gid: 20, mode: 0o1777, found: false },
    // The owner of a sticky folder may rename what is another's.
    { uid: 502, gid: 20, mode: 0o1777, found: true },
    { uid: 502, gid: 20, mode: 0o755, found: true },
  ])("for user 501: %j", ({ uid, gid, mode, found }) => {
    for (const folder of [inner, outer]) {
      chownSync(folder, uid, gid);
      chmodSync(folder, mode);
      expect(replaceableFolder(inner, 501)).toBe(found ? folder : null);
      chownSync(folder, 0, 0);
      chmodSync(folder, 0o755);
    }
  });

  test("administrators, whose group is 80 on a Mac, do not count there", () => {
    chownSync(outer, 0, 80);
    chmodSync(outer, 0o775);
    expect(replaceableFolder(inner, 501, "macos")).toBeNull();
    expect(replaceableFolder(inner, 501, "linux")).toBe(outer);
  });
});
