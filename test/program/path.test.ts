import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { UserError } from "../../src/errors.ts";
import { findProgram, startError } from "../../src/program/path.ts";
import { anyText, check } from "../support/property.ts";

let folder: string;
let before: string;
const at = (...names: string[]) => join(folder, ...names);
const put = (mode: number, ...names: string[]) => {
  writeFileSync(at(...names), "#!/bin/sh\n");
  chmodSync(at(...names), mode);
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "path."));
  for (const name of ["first", "second", "here"]) mkdirSync(at(name));
  put(0o644, "first", "server");
  put(0o755, "second", "server");
  put(0o644, "first", "plain");
  mkdirSync(at("first", "folder"));
  mkdirSync(at("first", "both"));
  put(0o755, "second", "both");
  put(0o755, "here", "local");
  put(0o755, "second", "with space");
  symlinkSync(at("second", "server"), at("second", "link"));
  symlinkSync(at("missing"), at("second", "broken"));
  before = process.cwd();
  process.chdir(at("here"));
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

describe("findProgram", () => {
  test("a name with a slash is a path, and is not looked for", () => {
    for (const name of ["/no/such/server", "./server", "folder/server"]) expect(findProgram(name, "/bin")).toBe(name);
  });

  test("the first folder that has it", () => {
    expect(findProgram("server", `${at("missing")}:${at("second")}:${at("here")}`)).toBe(at("second", "server"));
    expect(findProgram("with space", at("second"))).toBe(at("second", "with space"));
    expect(findProgram("link", at("second"))).toBe(at("second", "link"));
  });

  test("a file that may not be executed, or a folder, does not hide a program behind it", () => {
    const path = `${at("first")}:${at("second")}`;
    expect(findProgram("server", path)).toBe(at("second", "server"));
    expect(findProgram("both", path)).toBe(at("second", "both"));
  });

  test("what is no folder is passed over", () => {
    const path = `${at("second", "server")}:/dev/null:${"/a".repeat(5_000)}:${at("second")}`;
    expect(findProgram("server", path)).toBe(at("second", "server"));
    expect(() => findProgram("a".repeat(5_000), path)).toThrow("it is not in PATH");
  });

  test("a file that may not be executed is found where there is nothing better: starting it says why not", () => {
    expect(findProgram("plain", `${at("first")}:${at("second")}`)).toBe(at("first", "plain"));
  });

  test.each([":", "", "$FIRST:", ":$FIRST", "$FIRST::$SECOND", "."])("PATH=%s has this folder in it", (path) => {
    const expanded = path.replace("$FIRST", at("first")).replace("$SECOND", at("second"));
    expect(findProgram("local", expanded)).toEndWith("/local");
    expect(Bun.spawnSync([findProgram("local", expanded)]).exitCode).toBe(0);
  });

  test("without PATH the system's folders are looked through", () => {
    expect(findProgram("sh", undefined)).toMatch(/^(\/usr)?\/bin\/sh$/);
  });

  test.each(["missing", "folder", "broken"])("%s is not found, and the sentence says where", (name) => {
    const path = `${at("first")}:${at("second")}`;
    expect(() => findProgram(name, path)).toThrow(
      `cannot start program \`${name}': it is not in PATH (${path}); write its whole path`,
    );
    expect(() => findProgram("no-such-server", undefined)).toThrow("it is not in PATH (not set)");
  });

  test.each([
    ["local", /it is not in PATH \(\/bin\), but in this folder; write \.\/local$/],
    ["script.mjs", /but in this folder; write \.\/script\.mjs and make it executable, or write what runs it first$/],
    ["node script.mjs", /it is several words in one; write each as a word of its own$/],
    ["below", /it is a folder; name the program in it$/],
    [".", /it is a folder; name the program in it$/],
  ])("%s has a sentence of its own", (name, sentence) => {
    put(0o644, "here", "script.mjs");
    mkdirSync(at("here", "below"), { recursive: true });
    expect(() => findProgram(name, "/bin")).toThrow(sentence);
  });

  test("finds what execvp(3) finds", () => {
    const folders = ["", ".", "first", "second", "here", "missing", "second/server"].map((name) =>
      name.length > 1 ? at(name) : name,
    );
    const path = fc.array(fc.constantFrom(...folders), { minLength: 1 }).map((parts) => parts.join(":"));
    const name = fc.constantFrom("server", "both", "local", "link", "broken", "folder", "missing");
    check(
      fc.property(path, name, (path, name) => {
        // env(1) calls execvp; it exits with 127 or 126 where that fails.
        const expected = Bun.spawnSync(["/usr/bin/env", `PATH=${path}`, name], { stderr: "ignore" }).exitCode === 0;
        let found = false;
        try {
          found = Bun.spawnSync([findProgram(name, path)]).exitCode === 0;
        } catch {
          // Not found, or not to be executed.
        }
        expect([path, name, found]).toEqual([path, name, expected]);
      }),
      60,
    );
  });

  test("any texts: a path, or a UserError", () => {
    check(
      fc.property(anyText, fc.option(anyText, { nil: undefined }), (name, path) => {
        fc.pre(name !== "" && !name.includes("\0") && !path?.includes("\0"));
        try {
          expect(findProgram(name, path)).toEndWith(name);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
    );
  });
});

describe("startError", () => {
  test.each([
    ["ENOENT", "there is no such file, or no interpreter for it; check the path"],
    ["ENOTDIR", "there is no such file, or no interpreter for it; check the path"],
    ["EACCES", "permission denied; check that /bin/server may be executed by this user"],
    ["EPERM", "permission denied; check that /bin/server may be executed by this user"],
    ["ENOEXEC", "it is not a program; a script needs a first line like #!/bin/sh"],
    ["EIO", "EIO"],
  ])("%s", (reason, sentence) => {
    expect(startError("server", "/bin/server", reason)).toBeInstanceOf(UserError);
    expect(startError("server", "/bin/server", reason).message).toBe(`cannot start program \`server': ${sentence}`);
  });

  test.each(["~/bin/server", "$HOME/server"])("%s was for a shell", (name) => {
    expect(startError(name, name, "ENOENT").message).toBe(
      `cannot start program \`${name}': nothing but a shell expands it; write the whole path`,
    );
  });
});
