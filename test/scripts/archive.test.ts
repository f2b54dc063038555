import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readlink, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Entry, gzip, tar } from "../../scripts/archive.ts";

const text = (value: string) => new TextEncoder().encode(value);
const long = `pack/${"folder-with-a-long-name/".repeat(5)}${"n".repeat(90)}`;
const entries: Entry[] = [
  { path: "pack", mode: 0o755, content: null },
  { path: "pack/program", mode: 0o755, content: text("#!/bin/sh\n") },
  { path: "pack/empty", mode: 0o644, content: new Uint8Array(0) },
  { path: "pack/block", mode: 0o644, content: new Uint8Array(512).fill(7) },
  { path: long, mode: 0o644, content: text("deep\n") },
];

describe("tar and gzip", () => {
  let folder: string;
  let path: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "archive-"));
    path = join(folder, "pack.tar.gz");
    await Bun.write(path, gzip(tar(entries)));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("are unpacked by the system's tar, with permissions and content", async () => {
    const unpacked = Bun.spawnSync(["tar", "-xzf", path, "-C", folder]);
    expect(unpacked.stderr.toString()).toBe("");
    expect(unpacked.exitCode).toBe(0);
    expect((await readdir(join(folder, "pack"))).sort()).toEqual([
      "block",
      "empty",
      "folder-with-a-long-name",
      "program",
    ]);
    for (const { path: name, mode, content } of entries) {
      const unpackedFile = join(folder, name);
      expect((await stat(unpackedFile)).mode & 0o777).toBe(mode);
      if (content !== null) expect(await Bun.file(unpackedFile).bytes()).toEqual(content);
    }
  });

  test("have symbolic links", async () => {
    const link = { path: "bin/link", mode: 0o777, content: null, link: "../pack/program" };
    await Bun.write(join(folder, "link.tar.gz"), gzip(tar([link])));
    expect(Bun.spawnSync(["tar", "-xzf", join(folder, "link.tar.gz"), "-C", folder]).exitCode).toBe(0);
    expect(await readlink(join(folder, "bin/link"))).toBe("../pack/program");
  });

  test("list with user 0, group 0 and one time for all", () => {
    const listing = Bun.spawnSync(["tar", "-tvzf", path, "--numeric-owner"], { env: { ...process.env, TZ: "UTC" } });
    const lines = listing.stdout.toString().trim().split("\n");
    expect(lines).toHaveLength(entries.length);
    for (const line of lines) expect(line).toMatch(/^[d-]rw.r-.r-. 0\/0 +\d+ 2000-01-01 00:00 /);
  });

  test("give the same bytes always", () => {
    // Written down once: every machine and every processor has to come to the same.
    expect(Bun.SHA256.hash(gzip(tar(entries)), "hex")).toBe(
      "20470b4f5b14eb8be47180836261240952f07bce26246fec19a306cb0ce22063",
    );
  });

  test("put neither time nor name nor system into gzip's header (RFC 1952)", () => {
    const compressed = gzip(tar(entries));
    expect([...compressed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
  });

  test("fill whole records", () => {
    expect(tar([]).length).toBe(10_240);
    for (const size of [0, 1, 511, 512, 513, 8192, 8193])
      expect(tar([{ path: "a", mode: 0o644, content: new Uint8Array(size) }]).length % 10_240).toBe(0);
  });

  test("refuse a path that does not fit", () => {
    const entry = { path: `${"a".repeat(101)}`, mode: 0o644, content: null };
    expect(() => tar([entry])).toThrow("too long for a tar archive");
  });
});
