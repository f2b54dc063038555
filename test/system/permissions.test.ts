import { expect, test } from "bun:test";
import { isWritableByOthers } from "../../src/system/permissions.ts";

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
