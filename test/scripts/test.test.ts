import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command, type Ended } from "../support/command.ts";

const root = resolve(import.meta.dir, "../..");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tests-"));
  mkdirSync(join(folder, "test/interop"), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string, mode = 0o644) => {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), mode);
};
const writeTest = (file: string, ...statements: string[]) =>
  write(`test/${file}`, `import { expect, test } from "bun:test";\n${statements.join("\n")}\n`);

/** Runs scripts/test.ts, in the folder of the tests that were written, to its end. */
async function runTests(args: string[] = [], env: Record<string, string> = {}): Promise<Ended> {
  const command = [process.execPath, join(root, "scripts/test.ts"), ...args];
  await using runner = new Command(command, { cwd: folder, env });
  return await runner.ended();
}

const lastLine = ({ stdout }: Ended) => stdout.trimEnd().split("\n").at(-1);

describe("scripts/test.ts", () => {
  beforeEach(() => {
    writeTest("a.test.ts", 'test("holds", () => {});', 'test.skip("waits", () => {});');
    writeTest("b.test.ts", 'test("is wrong", () => expect(1).toBe(2));', 'test("holds too", () => {});');
    writeTest("interop/c.interop.ts", 'test("compares", () => {});');
  });

  test("runs all files, and names what failed before the closing line", async () => {
    const ended = await runTests();
    expect(ended.code).toBe(1);
    expect(ended.stdout).toMatch(/\n\(fail\) is wrong .*\n2 passed, 1 failed, 1 skipped\n$/);
    expect(ended.stderr).toContain("Expected: 2");
  });

  test.each([0, 3])("counts a file that ends with %d in the middle as a failure", async (status) => {
    writeTest("d.test.ts", `test("ends everything", () => process.exit(${status}));`, 'test("never runs", () => {});');
    const ended = await runTests(["test/d"]);
    expect([ended.code, lastLine(ended)]).toEqual([1, "0 passed, 1 failed"]);
  });

  test.each([
    ["part of a path", "test/a", "1 passed, 0 failed"],
    ["part of a test's name", "holds", "2 passed, 0 failed"],
  ])("runs those of a name: %s", async (_, name, line) => {
    const ended = await runTests([name]);
    expect([ended.code, lastLine(ended)]).toEqual([0, line]);
  });

  test("runs the comparisons with --interop", async () => {
    expect(lastLine(await runTests(["--interop"]))).toBe("1 passed, 0 failed");
  });

  test("says that no test has a name, and nothing else", async () => {
    const { code, stdout, stderr } = await runTests(["nonsense"]);
    expect(stdout).toMatch(/^Testing \/.*\n$/);
    expect([code, stderr]).toEqual([1, 'launch_socket_server: cannot test "nonsense": no test has that name\n']);
  });
});

describe("TEST_PROGRAM", () => {
  beforeEach(() => {
    write("program", "#!/bin/sh\necho 9.9.9\n", 0o755);
    write("not executable", "#!/bin/sh\necho 9.9.9\n");
    write("silent", "#!/bin/sh\n", 0o755);
    write("no program", "text", 0o755);
    writeTest("a.test.ts", 'test("holds", () => {});');
  });

  test("is announced", async () => {
    const { code, stdout } = await runTests([], { TEST_PROGRAM: join(folder, "program"), TEST_PLATFORM: "macos" });
    expect(stdout).toStartWith(`Testing ${folder}/program, version 9.9.9, for macOS\n`);
    expect(code).toBe(0);
  });

  test.each([
    ["missing", "there is no such file"],
    ["program/x", "there is no such file"],
    [".", "it is not a file"],
    ["not executable", "it may not be executed"],
    ["no program", "this system cannot execute it"],
    ["silent", "it does not tell its version when it is called with --version"],
  ])("that is no program that runs is a sentence: %s", async (name, why) => {
    const path = join(folder, name);
    expect(await runTests([], { TEST_PROGRAM: path })).toEqual({
      code: 1,
      stdout: "",
      stderr: `launch_socket_server: cannot test ${path}: ${why}; TEST_PROGRAM names a program that is built already\n`,
    });
  });

  test("is relative to the folder that make was called in, and nothing is built for it", async () => {
    const shell = `exec make -C '${root}' interop T=nonsense TEST_PROGRAM=program`;
    await using make = new Command(["sh", "-c", shell], { cwd: folder, env: { MAKEFLAGS: "" } });
    const { stdout } = await make.ended();
    expect(stdout).toContain(`Testing ${folder}/program, version 9.9.9, for `);
    expect(stdout).not.toContain("Building");
  });
});
