import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeDeafRuntime } from "../../scripts/deaf-runtime.ts";
import { fetchRuntimes, TARGETS } from "../../scripts/runtimes.ts";
import { variablesIn } from "../support/runtime-names.ts";

const runtimes = await fetchRuntimes();
const folder = await mkdtemp(join(tmpdir(), "runtime-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const bytesOf = async (path: string) => Buffer.from(await Bun.file(path).arrayBuffer());
const copyOf = (name: string) => join(folder, "new", name);

describe.each(TARGETS)("the runtime for %s", (target) => {
  test("neither imports getenv nor has mimalloc ask for an option, and little else of it is changed", async () => {
    await writeDeafRuntime(runtimes[target], copyOf(target));
    const [before, after] = [await bytesOf(runtimes[target]), await bytesOf(copyOf(target))];
    expect(after.length).toBe(before.length);
    const prefix = target.startsWith("darwin") ? "\0_" : "\0";
    expect(before.includes(`${prefix}getenv\0`)).toBe(true);
    expect(after.includes(`${prefix}getenv\0`)).toBe(false);
    let changed = 0;
    for (let at = 0; at < before.length; at++) if (before[at] !== after[at]) changed++;
    // The import's name, one instruction, 56 options and four names, each in one or two places.
    expect(changed).toBeGreaterThan(60);
    expect(changed).toBeLessThan(85);
    await rm(copyOf(target));
  });

  test("brings no variable that was not looked at", async () => {
    // A name that is new here: find out what it does (test/e2e/runtime-variables.test.ts), then add it to the file.
    const known = (await Bun.file("test/support/runtime-variables.txt").text()).trim().split("\n");
    const names = await variablesIn(runtimes[target]);
    expect(names.size).toBeGreaterThan(150);
    expect([...names].filter((name) => !known.includes(name))).toEqual([]);
  });
});

describe("a runtime is refused", () => {
  test.each([
    ["that does not import getenv", (bytes: Buffer) => bytes.fill("x", 0, 1_000_000), "imports getenv 0 times"],
    [
      "that compares with BUN_JSC_ in another way",
      (bytes: Buffer) => bytes.fill(0x90, bytes.indexOf(Buffer.from("41807e0155", "hex"))).subarray(0),
      "compares with BUN_JSC_ in 0 places that are known",
    ],
    [
      "that lacks one of the names",
      (bytes: Buffer) => {
        const name = "BUN_GARBAGE_COLLECTOR_LEVEL";
        for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at)) bytes.write("x", at);
      },
      "does not have the name BUN_GARBAGE_COLLECTOR_LEVEL",
    ],
  ] as const)("%s", async (_, change, problem) => {
    const bytes = await bytesOf(runtimes["linux-x64"]);
    change(bytes);
    const path = join(folder, "changed");
    await Bun.write(path, bytes);
    expect(writeDeafRuntime(path, copyOf("changed"))).rejects.toThrow(`${path}: ${problem}; check what this Bun obeys`);
    expect(await Bun.file(copyOf("changed")).exists()).toBe(false);
  });
});
