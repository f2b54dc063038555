import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Launchctl } from "../../src/service/launchctl.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "launchctl-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** A launchctl that only says this. */
async function saying(script: string): Promise<Launchctl> {
  const path = join(folder, "launchctl");
  await Bun.write(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return new Launchctl(path, "gui/501");
}

describe("print", () => {
  test("reads the state out of all that launchctl prints, and nothing that is nested in it", async () => {
    const launchctl = await saying(`
      printf 'gui/501/a = {\\n\\tpath = /Users/sam/a b.plist\\n\\tstate = running\\n\\tlast exit code = 78: EX_CONFIG\\n\\tpid = 42\\n'
      printf '\\tsockets = {\\n\\t\\tpid = 7\\n\\t\\tpath = /no\\n\\t}\\n}\\n'`);
    expect(await launchctl.print("a")).toEqual({ path: "/Users/sam/a b.plist", pid: 42, lastExit: 78 });
  });

  test("knows a service that has not run", async () => {
    const launchctl = await saying(
      `printf 'gui/501/a = {\\n\\tlast exit code = (never exited)\\n\\t\\tpid = 7\\n}\\n'`,
    );
    expect(await launchctl.print("a")).toEqual({ path: undefined, pid: null, lastExit: null });
  });

  test("is null for a service that launchd does not know", async () => {
    const launchctl = await saying(`echo 'Bad request.' >&2; echo 'Could not find service "a"' >&2; exit 113`);
    expect(await launchctl.print("a")).toBeNull();
  });

  test.each([
    ["exit 125", "cannot reach launchd's gui/501: nobody is logged in as this user at the Mac's screen"],
    ["exit 112", "cannot reach launchd's gui/501: nobody is logged in as this user at the Mac's screen"],
    [
      "echo Bad request. >&2; echo Not privileged >&2; exit 1",
      "cannot ask launchd for a: Not privileged (launchctl print: exit status 1)",
    ],
  ])("with %j throws a sentence", async (script, sentence) => {
    await expect((await saying(script)).print("a")).rejects.toThrow(sentence);
  });
});

test("what changes services says how it ended, without the advice to be root", async () => {
  const launchctl = await saying(`
    echo "$*"
    if [ "$1" = bootstrap ]; then
      echo 'Bootstrap failed: 5: Input/output error' >&2
      echo 'Try re-running the command as root for richer errors.' >&2
      exit 5
    fi`);
  expect(await launchctl.bootstrap("/a.plist")).toEqual({ status: 5, text: "Bootstrap failed: 5: Input/output error" });
  expect(await launchctl.bootout("a")).toEqual({ status: 0, text: "bootout gui/501/a\n" });
  expect(await launchctl.enable("a")).toEqual({ status: 0, text: "enable gui/501/a\n" });
});

test("a launchctl that is not there is a sentence", async () => {
  await expect(new Launchctl(join(folder, "nothing"), "system").print("a")).rejects.toThrow(
    /^cannot run .*nothing: ENOENT/,
  );
});
