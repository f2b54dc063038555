import { afterEach, beforeEach, expect, test } from "bun:test";
import { lstatSync, readdirSync, readlinkSync, symlinkSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepFile, replacedFiles, replacedName } from "../../../src/service/install/kept-file.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kept-"));
  path = join(folder, "a.plist");
  await Bun.write(path, "theirs");
});
afterEach(() => rm(folder, { recursive: true }));
const keep = (replaced: boolean) => keepFile(path, lstatSync(path), { replaced });

test("is the same file under a second name, and comes back as it was", async () => {
  await chmod(path, 0o640);
  const { ino, mode } = lstatSync(path);
  const kept = keep(true);
  expect(kept.name).toBe(`${path}.replaced`);
  await rm(path);
  await Bun.write(path, "ours");
  kept.restore();
  expect(await Bun.file(path).text()).toBe("theirs");
  expect([lstatSync(path).ino, lstatSync(path).mode]).toEqual([ino, mode]);
  expect(readdirSync(folder)).toEqual(["a.plist"]);
});

test("takes no name that is taken, not even by a link to nowhere", async () => {
  await Bun.write(`${path}.replaced`, "older");
  symlinkSync("nowhere", `${path}.replaced.2`);
  expect(replacedName(path)).toBe(`${path}.replaced.3`);
  expect(keep(true).name).toBe(`${path}.replaced.3`);
  await Bun.write(`${path}.replaced.10`, "");
  await Bun.write(`${path}.replaced.old`, "");
  expect(replacedFiles(path)).toEqual(["", ".2", ".3", ".10"].map((end) => `${path}.replaced${end}`));
  expect(await Bun.file(`${path}.replaced`).text()).toBe("older");
});

test("hides what need not be seen", () => {
  const kept = keep(false);
  expect(readdirSync(folder).sort()).toEqual([expect.stringMatching(/^\.a\.plist\.[0-9a-f]{8}$/), "a.plist"]);
  kept.discard();
  expect(readdirSync(folder)).toEqual(["a.plist"]);
  expect(replacedFiles(path)).toEqual([]);
});

test("keeps a link as a link", async () => {
  await rm(path);
  symlinkSync("../somewhere/b.plist", path);
  const kept = keep(true);
  expect(readlinkSync(kept.name)).toBe("../somewhere/b.plist");
  await rm(path);
  kept.restore();
  expect(readlinkSync(path)).toBe("../somewhere/b.plist");
});

test("does not keep what is another file by now", async () => {
  const stats = lstatSync(path);
  await rm(path);
  await Bun.write(path, "another");
  expect(() => keepFile(path, stats, { replaced: true })).toThrow(`${path} has changed meanwhile`);
  expect(readdirSync(folder)).toEqual(["a.plist"]);
  await rm(path);
  expect(() => keepFile(path, stats, { replaced: true })).toThrow(`cannot keep ${path} as ${path}.replaced: ENOENT`);
});
