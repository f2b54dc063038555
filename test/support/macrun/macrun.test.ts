/** The loader's own promises; what it takes for XNU's is in xnu.test.ts. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { bindListener, closeDescriptor } from "../../../src/system/sockets.ts";
import { addressOf } from "../launchd/library.ts";
import { programUnderTest } from "../program-under-test.ts";
import { macBun } from "./bun.ts";
import { callImport, tinyMachO } from "./tiny-macho.ts";

const isMacProgram = programUnderTest.given && programUnderTest.platform === "macos";
const macrun = join(dirname(programUnderTest.path), "macrun");
// Its own: other tests run what is in build/ meanwhile.
const ownFolder = mkdtempSync(join(tmpdir(), "mac-bun-"));
const bun = isMacProgram ? await macBun(ownFolder) : "";
afterAll(() => rmSync(ownFolder, { recursive: true }));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "macrun-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function run(command: string[], env: Record<string, string> = {}, descriptors: number[] = []) {
  const child = Bun.spawn(command, {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe", ...descriptors],
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return { code: child.exitCode, signal: child.signalCode, stdout, stderr };
}

test("the names that are glibc's too are in strcmp(3)'s order, in which they are looked up", async () => {
  const file = await Bun.file(join(import.meta.dir, "glibc-symbols.h")).text();
  const lines = Array.from(file.matchAll(/^"\w+"/gm), String);
  expect(lines.length).toBeGreaterThan(100);
  expect(lines).toEqual(lines.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
});

/** Runs a script inside Bun for macOS. */
const evaluate = (script: string, env?: Record<string, string>) => run([bun, "-e", script], env);

describe.skipIf(!isMacProgram)("macrun", () => {
  test("runs a program for macOS, under the name and path that it is given", async () => {
    const script = "console.log(process.platform, process.arch, process.argv0, process.execPath)";
    const command = ["--argv0", "a name", "--path", "/a/path", join(dirname(bun), "darwin-x64/bun"), "-e", script];
    expect(await run([macrun, ...command])).toMatchObject({
      code: 0,
      stdout: "darwin x64 a name /a/path\n",
      stderr: "",
    });
  });

  test.each([
    ["what is not there", "nothing", "No such file or directory"],
    ["what is for another system", "script", "not a Mach-O program for x86-64"],
    ["what is cut off", "cut", "it is cut off"],
  ])("says in a sentence why it cannot run %s", async (_, name, why) => {
    writeFileSync(join(folder, "script"), "#!/bin/sh\n".padEnd(64));
    writeFileSync(join(folder, "cut"), new Uint32Array([0xfeedfacf, 0x01000007, 3, 2, 9, 4096, 0, 0]));
    const path = join(folder, name);
    expect(await run([macrun, path])).toMatchObject({ code: 126, stderr: `macrun: cannot run ${path}: ${why}\n` });
  });

  test("imports are bound, and one that is nowhere ends the program with its name once it is called", async () => {
    const path = join(folder, "program");
    const call = async (importName: string) => {
      writeFileSync(path, tinyMachO({ code: callImport, importName }));
      return run([macrun, path]);
    };
    expect(await call("_getpid")).toMatchObject({ code: 7, stderr: "" });
    expect(await call("_select$DARWIN_EXTSN")).toMatchObject({ code: 7, stderr: "" });
    const missing = "macrun: the program called _no_such_function, which is not implemented\n";
    expect(await call("_no_such_function")).toMatchObject({ signal: "SIGABRT", stderr: missing });
  });

  test("a crash of the program is one, whatever handlers it has", async () => {
    expect(await evaluate('require("bun:ffi").read.u8(16)')).toMatchObject({ signal: "SIGSEGV" });
  });

  test("MACRUN_TRACE tells what happens in a kqueue", async () => {
    const { code, stderr } = await evaluate("await Bun.sleep(1)", { MACRUN_TRACE: "1" });
    expect(code).toBe(0);
    expect(stderr).toMatch(/^macrun: kqueue \d+ change: ident \d+ filter -?\d+ flags 0x/m);
  });

  test("MACRUN_ROOT brings a test's /Library, /Users and launchctl, and nothing else", async () => {
    const script = `const fs = require("node:fs");
      fs.mkdirSync("/Library/LaunchDaemons", { recursive: true });
      fs.writeFileSync("/Library/LaunchDaemons/a.plist", "text");
      console.log(fs.readdirSync("/Library/LaunchDaemons"), fs.realpathSync("/Library/LaunchDaemons"), fs.existsSync("/Librarian"));
      fs.mkdirSync("/Users/sam", { recursive: true });
      process.chdir("/Users/sam");
      console.log(process.cwd());
      console.log(Bun.spawnSync(["/bin/launchctl", "word"]).stdout.toString());`;
    await Bun.write(join(folder, "bin/launchctl"), '#!/bin/sh\necho "called with $*"\n');
    await Bun.$`chmod +x ${folder}/bin/launchctl`;
    expect(await evaluate(script, { MACRUN_ROOT: folder })).toMatchObject({
      code: 0,
      stdout: '[ "a.plist" ] /Library/LaunchDaemons false\n/Users/sam\ncalled with word\n\n',
    });
    expect(await Bun.file(join(folder, "Library/LaunchDaemons/a.plist")).text()).toBe("text");
  });

  test("the limit on open files is kern.maxfilesperproc, whatever the program sets", async () => {
    const script = 'console.log(Bun.spawnSync(["sh", "-c", "ulimit -n"]).stdout.toString().trim())';
    expect(await evaluate(script, { MACRUN_MAXFILESPERPROC: "5000" })).toMatchObject({ stdout: "5000\n" });
  });
});

describe.skipIf(!isMacProgram)("launch_activate_socket", () => {
  /** Asks for names one after the other; prints for each the error, or the ports of the descriptors. */
  const script = resolve(import.meta.dir, "activate.ts");

  /** Runs the script as systemd would start it, with TCP sockets of these names. */
  async function activate(names: string[] | null, ask: string[], variables: Record<string, string> = {}) {
    const sockets = (names ?? []).map(() => bindListener({ kind: "tcp", host: "127.0.0.1", port: 0 }, 1));
    try {
      const env = names === null ? {} : { LISTEN_FDS: String(sockets.length), LISTEN_FDNAMES: names.join(":") };
      const shell = names === null ? 'exec "$0" "$@"' : 'LISTEN_PID=$$ exec "$0" "$@"';
      const command = ["sh", "-c", shell, bun, script, ...ask];
      const { stdout, stderr } = await run(command, { ...env, ...variables }, sockets);
      expect(stderr).toBe("");
      const port = (text: string) => `#${sockets.findIndex((fd) => addressOf(fd).port === Number(text))}`;
      return stdout
        .replace(/\d{4,}/g, port)
        .trim()
        .split("\n");
    } finally {
      for (const fd of sockets) closeDescriptor(fd);
    }
  }

  test("gives each name its descriptors, in their order, once: then EALREADY", async () => {
    const names = ["web", "admin", "web", "", "unknown"];
    expect(await activate(names, ["web", "admin", "Socket", "web", "other", ""])).toEqual([
      "web: #0 #2",
      "admin: #1",
      "Socket: #3 #4",
      "web: error 37",
      "other: error 2",
      ": error 2",
    ]);
  });

  test("is ESRCH for a process that launchd has not started", async () => {
    expect(await activate(null, ["Socket"])).toEqual(["Socket: error 3"]);
  });

  test("sockets that are meant for another process are not taken, and its variables stay", async () => {
    const variables = { LISTEN_FDS: "1", LISTEN_PID: "1" };
    expect(await activate(null, ["Socket", "LISTEN_PID"], variables)).toEqual([
      "Socket: error 3",
      "LISTEN_PID: error 3",
    ]);
    const { stdout } = await evaluate("console.log(process.env.LISTEN_PID)", variables);
    expect(stdout).toBe("1\n");
  });

  test("a name for more sockets than there are is a sentence of the wrapper", async () => {
    const command = ["sh", "-c", 'LISTEN_PID=$$ exec "$0"', bun];
    expect(await run(command, { LISTEN_FDS: "9" })).toMatchObject({
      code: 126,
      stderr: "macrun: LISTEN_FDS names a descriptor that is not open: Bad file descriptor\n",
    });
  });

  test("the program is found beside the wrapper, by any name of the wrapper", async () => {
    symlinkSync(bun, join(folder, "link"));
    expect(await run([join(folder, "link"), "-p", "process.platform"])).toMatchObject({ stdout: "darwin\n" });
  });
});
