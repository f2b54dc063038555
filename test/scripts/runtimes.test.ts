import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fetchRuntimes } from "../../scripts/runtimes.ts";
import { runIn } from "../support/checkout.ts";

const script = `import { fetchRuntimes } from ${JSON.stringify(resolve("scripts/runtimes.ts"))};
try { await fetchRuntimes(); } catch (error) { console.log(error.message); process.exit(1); }`;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runtimes-"));
  for (const file of ["package.json", "bun.lock"]) await Bun.write(join(folder, file), Bun.file(file));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test("the runtimes are executables for each system, of the version in package.json", async () => {
  const runtimes = await fetchRuntimes();
  const magic = async (path: string) => Buffer.from(await Bun.file(path).slice(0, 8).bytes()).toString("hex");
  expect(await magic(runtimes["darwin-arm64"])).toBe("cffaedfe0c000001");
  expect(await magic(runtimes["darwin-x64"])).toBe("cffaedfe07000001");
  // ELF, 64 bits, little-endian; the processor stands at byte 18.
  for (const [target, processor] of [
    ["linux-x64", 0x3e],
    ["linux-arm64", 0xb7],
  ] as const) {
    expect(await magic(runtimes[target])).toStartWith("7f454c460201");
    expect((await Bun.file(runtimes[target]).slice(18, 19).bytes())[0]).toBe(processor);
  }
});

test("a runtime that is not the one in bun.lock is refused, and nothing of it stays", async () => {
  const lock = await Bun.file("bun.lock").text();
  const line = lock.split("\n").find((text) => text.includes('"@oven/bun-darwin-x64": [')) ?? "";
  const hash = line.match(/sha512-([A-Za-z0-9+/]{86}==)/)?.[1] ?? "";
  const other = Buffer.from(hash, "base64");
  other[0] = (other[0] ?? 0) ^ 1;
  await Bun.write(join(folder, "bun.lock"), lock.replace(hash, other.toString("base64")));

  const { status, stdout } = await runIn(folder, [process.execPath, "-e", script]);
  expect(stdout).toContain("cannot get the runtimes that bun.lock names: ");
  expect(stdout).toContain("Integrity check failed");
  expect(stdout).toContain("@oven/bun-darwin-x64");
  expect(status).toBe(1);
  expect(await readdir(join(folder, "build/runtimes"))).toEqual([]);
});
