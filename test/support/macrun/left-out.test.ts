import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { leftOut, patternWithout } from "./left-out.ts";

const tests = resolve(import.meta.dir, "../..");

describe("the tests that are left out on the Mac program", () => {
  test("are few, and each entry has a reason", () => {
    expect(leftOut.length).toBeLessThanOrEqual(15);
    for (const { why } of leftOut) expect(why).toMatch(/\w{3,}/);
  });

  test.each(leftOut.map(({ file, test }) => [file, test ?? "all"]))("%s: %s is there", (file, name) => {
    const source = readFileSync(resolve(tests, file), "utf8");
    const titles = [...source.matchAll(/\btest(?:\.\w+\(.*?\))?\("(.*?)"/g)].map(([, title = ""]) => title);
    expect(name === "all" || titles.some((title) => name.endsWith(title))).toBe(true);
  });
});

test("the pattern for a file takes all tests but those that are left out", () => {
  expect(patternWithout("e2e/systemd.test.ts")).toBeNull();
  expect(patternWithout("address.test.ts", "name")).toBe("name");
  const pattern = new RegExp(patternWithout("service/check/machine.test.ts") ?? "");
  expect(
    ["thisMachine knows its groups", " thisMachine knows its groups", "thisMachine knows its users"].map((name) =>
      pattern.test(name),
    ),
  ).toEqual([false, false, true]);
});
