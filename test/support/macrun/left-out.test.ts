import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { leavesOut, leftOut, patternWithout } from "./left-out.ts";

const root = resolve(import.meta.dir, "../..");

/** The titles of the tests and the groups of a file. */
function titlesOf(file: string): string[] {
  const source = readFileSync(resolve(root, file), "utf8");
  return [...source.matchAll(/"((?:\\.|[^"\\\n])*)",\s*(?:async )?\(/g)].map(([, title = ""]) => title);
}

/** Whether it consists of such titles, the outermost first. */
function consistsOf(name: string, titles: string[]): boolean {
  return titles.some(
    (title) => name === title || (name.startsWith(`${title} `) && consistsOf(name.slice(title.length + 1), titles)),
  );
}

const files = leftOut.flatMap(({ tests }) => Object.entries(tests));
const named = files.flatMap(([file, names]) => (names ?? []).map((name): [string, string] => [file, name]));

describe("the tests that are left out on the Mac program", () => {
  test("have few reasons, and each reason has tests", () => {
    expect(leftOut.length).toBeLessThanOrEqual(15);
    for (const { why, tests } of leftOut) {
      expect(why).toMatch(/\w{3,} \w{3,}/);
      expect(Object.keys(tests).length).toBeGreaterThan(0);
    }
  });

  test.each(files)("%s is there", (file) => expect(titlesOf(file).length).toBeGreaterThan(0));

  test.each(named)("%s: %s is there, and is no beginning of another's title", (file, name) => {
    const titles = titlesOf(file);
    expect(consistsOf(name, titles)).toBe(true);
    expect(titles.filter((title) => title.startsWith(`${name} `))).toEqual([]);
  });
});

test("the pattern for files takes all tests but those that are left out", () => {
  expect(leavesOut("e2e/systemd.test.ts")).toBe(true);
  expect(leavesOut("e2e/plist.test.ts")).toBe(false);
  expect(patternWithout(["address.test.ts"], "name")).toBe("name");
  const taken = (name: string, ...files: string[]) => new RegExp(patternWithout(files)).test(name);
  const [machine, plist, shortage] = ["service/check/machine.test.ts", "e2e/plist.test.ts", "e2e/shortage.test.ts"];
  expect(taken("thisMachine knows its groups", machine)).toBe(false);
  // As Bun has the name of a test in no `describe`, or in one.
  expect(taken(" thisMachine knows its groups", plist, machine)).toBe(false);
  expect(taken("thisMachine knows its groups", plist)).toBe(true);
  expect(taken("thisMachine knows its users", machine)).toBe(true);
  expect(taken("without launchd --dry-run shows what would be done on a Mac", plist)).toBe(false);
  expect(taken("without launchds", plist)).toBe(true);
  const row =
    "with one descriptor left before a unix program, clients wait for more, nobody is refused, and one warning says so";
  expect(taken(row, shortage)).toBe(false);
});
