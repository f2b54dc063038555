import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import {
  copyWrapper,
  fillHome,
  interpreters,
  linkShell,
  loginShells,
  makeFolder,
  printing,
  removeFolder,
  run,
  wrapper,
  writeExecutable,
} from "../support/login-shells.ts";
import { peer } from "../support/peers.ts";
import { randomNumbers } from "../support/seed.ts";

const folder = await makeFolder();
const home = join(folder, "home of the user");
afterAll(() => removeFolder(folder));
beforeAll(() => fillHome(home));

// A csh by its other name, and a shell that the script has never heard of.
const tcsh = peer("tcsh", "tcsh");
const shells = [
  ...loginShells,
  { name: "csh", debianPackage: "tcsh", profile: ".login", path: tcsh && (await linkShell(`${folder}/csh`, tcsh)) },
  {
    name: "unheard-of",
    debianPackage: "dash",
    profile: ".profile",
    path: await linkShell(`${folder}/unheard-of`, "/bin/dash"),
  },
];

// What the caller has is of no consequence, except for HOME; each name but PATH and SHELL is a variable inside the script.
const inner = "answer argument line newline number numbers shell uid user value values words".split(" ");
const callers = Object.fromEntries(inner.map((name) => [name, `the caller's ${name}`]));
const environment = { ...callers, PATH: "/nowhere/of/the/caller", SHELL: "/nowhere/shell", HOME: home };

/** A copy of the script for which the user's login shell is `shell`. */
async function wrapperFor(shell: string): Promise<string> {
  const file = join(folder, `for ${shell.replaceAll("/", "-")}`, "login_wrapper");
  const uname = join(folder, "uname");
  await writeExecutable(uname, "#!/bin/sh\necho Linux\n");
  const getent = join(folder, `getent${shell.replaceAll("/", "-")}`);
  await writeExecutable(getent, `#!/bin/sh\n${printing(`somebody:x:1:1::/nowhere:${shell}\n`)}\n`);
  await copyWrapper(file, [
    ["/usr/bin/uname", uname, 1],
    ["/usr/bin/getent", getent, 1],
  ]);
  return file;
}

// Between the signs are: white space; quotes and substitutions; backslashes and history; options, patterns and
// assignments; operators; control characters, UTF-8 and code points that fish uses internally.
const awkward = [
  "§ §\n§\n\n§end\n§\nstart§a\nb\nc§\t§\r§ a  b ",
  "'§\"§''§'\"'§`id`§`\n`§\"\n\"§$HOME§$(id)§$1§$argv§${",
  "\\§\\\\§a\\§\\\n§\\\n\\§\\n§!§!!§!x§a\\!b§^a^b",
  "-§--§-c§-l§--help§*§?§[a]§~§~root§=§=ls§a=b§#§a#b§{a,b}§{}§()§() { :;}",
  ";§&§|§<§>§%1§@§:q",
  "\x01§\x1b[0m§\x7f§é§日本語§😀§\ufdd0§\uf600§\ufeff",
  "x".repeat(100_000),
].flatMap((texts) => texts.split("§").map((text) => Buffer.from(text)));
const notUtf8 = ["ff", "c3", "e974e9", "c080", "eda080", "f4908080", "81849f"].map((hex) => Buffer.from(hex, "hex"));

const random = randomNumbers();
const randomArgument = () => Buffer.from(Array.from({ length: random.below(40) }, () => 1 + random.below(255)));
const randomArguments = Array.from({ length: 60 }, randomArgument);

/** Bun passes strings as arguments, so those that are not UTF-8 go through xargs. */
const runWithBytes = (command: string[], bytes: Buffer[], env: Record<string, string>) =>
  run(["/usr/bin/xargs", "-0", "-x", "-n", "9999", "-s", "900000", ...command], env, joined(bytes));
const joined = (bytes: Buffer[]) => Buffer.concat(bytes.flatMap((argument) => [argument, Buffer.from([0])]));

for (const { name, debianPackage, profile, path } of shells) {
  describe.skipIf(path === null)(`login shell ${name} (Debian package ${debianPackage})`, async () => {
    const script = await wrapperFor(path ?? "");

    test.each(interpreters)("passes every argument byte for byte, run by %s", async (interpreter) => {
      const command = [...interpreter.split(" "), script, "/usr/bin/printf", "%s\\0"];
      const bytes = [...awkward, ...notUtf8, ...randomArguments];
      for (const locale of ["C", "C.UTF-8"]) {
        const { status, stdout, stderr } = await runWithBytes(command, bytes, { ...environment, LC_ALL: locale });
        expect(stderr).toBe("");
        expect(stdout.split("\0")).toEqual([...bytes.map((argument) => argument.toString("latin1")), ""]);
        expect(status).toBe(0);
      }
    });

    test("passes 1000 arguments", async () => {
      const words = Array.from({ length: 1000 }, (_, index) => (index % 7 === 0 ? "" : `${index}`));
      const { stdout } = await run([script, "/usr/bin/printf", "%s\\0", ...words], environment);
      expect(stdout).toBe(`${words.join("\0")}\0`);
    });

    test("is a login shell: the program is found by the profile's PATH, and the caller's is gone", async () => {
      const { stdout, stderr } = await run([script, "tool", "a b", ""], environment);
      expect(stderr).toBe("");
      const [profileRead, searchPath, ...rest] = stdout.split("\0");
      expect(profileRead).toBe(`tool ${profile}`);
      expect(rest).toEqual(["a b", "", ""]);
      const folders = searchPath?.split(":") ?? [];
      expect(folders[0]).toBe(`${home}/tools`);
      expect(folders).toContain("/usr/bin");
      // An empty element would be the working folder.
      expect(folders.filter((element) => !element.startsWith("/") || element.startsWith("/nowhere"))).toEqual([]);
    });

    test.each(["-x", "--", "a=b", "two words", "echo"])("runs a program named %s", async (program) => {
      const { stdout } = await run([script, program, "-n", "a\\tb"], environment);
      expect(stdout.split("\0")).toEqual([`tool ${profile}`, expect.any(String), "-n", "a\\tb", ""]);
    });

    test("leaves the environment alone", async () => {
      const { stdout } = await run([script, "/usr/bin/env", "-0"], environment);
      const seen = new Map(stdout.split("\0").map((line) => [line.split("=")[0], line.slice(line.indexOf("=") + 1)]));
      for (const inside of inner) expect(seen.get(inside)).toBe(`the caller's ${inside}`);
      expect(seen.get("HOME")).toBe(home);
      expect(stdout).not.toContain("LOGIN_WRAPPER");
    });

    test("is replaced by the program: same process, which gets the signals", async () => {
      const program = "trap 'kill $!; exit 42' TERM; sleep 60 & echo $$; wait";
      const child = Bun.spawn([script, "/bin/sh", "-c", program], {
        env: environment,
        stdout: "pipe",
        stderr: "inherit",
      });
      try {
        const { value } = await child.stdout.getReader().read();
        expect(new TextDecoder().decode(value)).toBe(`${child.pid}\n`);
        child.kill("SIGTERM");
        expect(await child.exited).toBe(42);
      } finally {
        child.kill("SIGKILL");
      }
    });

    test("does not touch standard input, output and error", async () => {
      const input = Buffer.from(`${"line\n".repeat(40_000)}no newline`);
      const program = ["/bin/sh", "-c", "cat; echo to stderr >&2"];
      const { status, stdout, stderr } = await run([script, ...program], environment, input);
      expect(stdout).toBe(input.toString());
      expect(stderr).toBe("to stderr\n");
      expect(status).toBe(0);
    });

    // Shells use descriptors from 10 on for themselves. Handing sockets over is refused for a csh because of this.
    test("passes on descriptors above 2, unless it is a csh", async () => {
      const descriptors = Array.from({ length: 11 }, () => openSync("/dev/null", "r"));
      try {
        const program = "for n in 3 4 9 10 11 12 13; do [ -e /dev/fd/$n ] && echo $n; done; exit 0";
        const child = Bun.spawn([script, "/bin/sh", "-c", program], {
          env: environment,
          stdio: ["ignore", "pipe", "inherit", ...descriptors],
        });
        const open = (await new Response(child.stdout).text()).split("\n").filter((line) => line !== "");
        expect(open).toEqual(name.endsWith("csh") ? [] : ["3", "4", "9", "10", "11", "12", "13"]);
      } finally {
        for (const descriptor of descriptors) closeSync(descriptor);
      }
    });

    test("says so when there is no such program", async () => {
      const { status, stdout, stderr } = await run([script, "no-such-program"], environment);
      expect(stdout).toBe("");
      expect(stderr).toContain("no-such-program");
      expect(status).not.toBe(0);
    });
  });
}

test("an unknown shell gets -l, -c and nothing else, and what login(1) gives as PATH", async () => {
  const recorder = join(folder, "recorder");
  await writeExecutable(recorder, `#!/bin/sh\nprintf '%s\\n' "$#" "$1" "$2"\n/usr/bin/printenv PATH\n`);
  const script = await wrapperFor(recorder);
  for (const env of [{ PATH: "/nowhere/of/the/caller" }, { PATH: "" }, {}] as Record<string, string>[]) {
    const { stdout } = await run([script, "a'b"], { ...env, HOME: home });
    expect(stdout).toBe("3\n-l\n-c\n/usr/local/bin:/usr/bin:/bin\n");
  }
});

test.skipIf(tcsh === null)("the bash that starts a tcsh (Debian package tcsh) obeys no BASH_ENV", async () => {
  const file = join(folder, "bash-env");
  await writeExecutable(file, "echo obeyed\n");
  const { stdout } = await run([await wrapperFor(tcsh ?? ""), "/bin/echo", "ran"], { BASH_ENV: file, HOME: home });
  expect(stdout).toBe("ran\n");
});

test.each([[[]], [[""]]])("without a program it prints its usage: %j", async (words: string[]) => {
  const usage = `usage: ${wrapper} <program> [<arg> ...]\n`;
  expect(await run([wrapper, ...words], environment)).toEqual({ status: 1, stdout: "", stderr: usage });
});

const shellcheck = peer("shellcheck", "shellcheck");
test.skipIf(shellcheck === null)("shellcheck (Debian package shellcheck) finds nothing", async () => {
  const { stdout } = await run([shellcheck ?? "", "--shell=sh", wrapper], {});
  expect(stdout).toBe("");
});
