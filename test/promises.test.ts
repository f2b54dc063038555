import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { Glob } from "bun";

const root = resolve(import.meta.dir, "..");
const rows = readFileSync(resolve(root, "docs/promises.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !/^\| (---|promise) /.test(line))
  .map((line) => line.slice(2, -2).split(" | "));

test("each promise has a bound and a test that is there", () => {
  const tests = [...new Glob("test/**/*.test.ts").scanSync(root)].map((file) => basename(file, ".test.ts"));
  expect(rows.length).toBeGreaterThan(20);
  for (const row of rows) {
    expect([row[0], row.length]).toEqual([row[0], 3]);
    const named = [...(row[2] ?? "").matchAll(/`([a-z-]+)`/g)].map(([, name = ""]) => name);
    expect([row[0], named.length > 0, named.filter((name) => !tests.includes(name))]).toEqual([row[0], true, []]);
  }
});
