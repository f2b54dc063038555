import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stageFile } from "../../../src/service/install/staged-file.ts";

const bytes = new TextEncoder().encode("content");
let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "staged-"));
  path = join(folder, "a/b/job.plist");
});
afterEach(() => rm(folder, { recursive: true }));

test("takes its place at once, whole, with its mode whatever the umask", async () => {
  const umask = process.umask(0o077);
  try {
    const staged = stageFile(path, bytes, null);
    expect(readdirSync(join(folder, "a/b"))).toEqual([expect.stringMatching(/^\.job\.plist\.[0-9a-f]{8}$/)]);
    expect(staged.committed).toBe(false);
    staged.commit();
    expect(staged.committed).toBe(true);
    staged.discard();
  } finally {
    process.umask(umask);
  }
  expect(await Bun.file(path).text()).toBe("content");
  expect(statSync(path).mode & 0o7777).toBe(0o644);
  expect(readdirSync(join(folder, "a/b"))).toEqual(["job.plist"]);
});

test("replaces a link, not what it leads to", async () => {
  await Bun.write(join(folder, "target"), "theirs");
  await mkdir(join(folder, "a/b"), { recursive: true });
  await symlink(join(folder, "target"), path);
  stageFile(path, bytes, null).commit();
  expect(await Bun.file(join(folder, "target")).text()).toBe("theirs");
  expect(await Bun.file(path).text()).toBe("content");
});

test("leaves nothing behind when it is discarded or fails", async () => {
  stageFile(path, bytes, null).discard();
  expect(readdirSync(join(folder, "a/b"))).toEqual([]);
  await mkdir(path);
  expect(() => stageFile(path, bytes, null).commit()).toThrow(`cannot write ${path}: EISDIR`);
  expect(readdirSync(join(folder, "a/b"))).toEqual(["job.plist"]);
  await Bun.write(join(folder, "file"), "");
  expect(() => stageFile(join(folder, "file/job.plist"), bytes, null)).toThrow("cannot write");
});
