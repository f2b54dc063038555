/** Where login_wrapper takes the login shell from, and what it says when there is none to start. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, readFile, writeFile } from "node:fs/promises";
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

const folder = await makeFolder();
const home = join(folder, "home");
afterAll(() => removeFolder(folder));
beforeAll(() => fillHome(home));

const environment = { PATH: "/nowhere", SHELL: "/nowhere/shell" };
const shell = await linkShell(join(folder, "bin/the shell"), "/bin/dash");
const notExecutable = join(folder, "notes.txt");
await writeFile(notExecutable, "not a shell\n");

let copies = 0;
const standIn = async (name: string, commands: string) => {
  const file = join(folder, `${++copies}-${name}`);
  await writeExecutable(file, `#!/bin/sh\n${commands}\n`);
  return file;
};

/** A copy of the script on a system of that name. */
async function wrapperOn(system: string, tools: [from: string, to: string, lines: number][]): Promise<string> {
  const file = join(folder, `${++copies}`, "login_wrapper");
  await copyWrapper(file, [["/usr/bin/uname", await standIn("uname", printing(system)), 1], ...tools]);
  return file;
}

describe.each(interpreters)("Directory Services, run by %s", (interpreter) => {
  const log = join(folder, `asked-${interpreter.replaceAll("/", "-")}`);

  /** `answers`: what dscl prints (and its exit status) when asked for UserShell and for NFSHomeDirectory. */
  async function runOnMac(user: string, answers: { shell: string; home?: string; status?: number }, env = {}) {
    const dscl = await standIn(
      "dscl",
      `printf '%s|' "$#" "$@" >>'${log}'; /bin/cat; case $4 in
        UserShell) ${printing(answers.shell)} ;;
        NFSHomeDirectory) ${printing(answers.home ?? "")} ;;
      esac; exit ${answers.status ?? 0}`,
    );
    await writeFile(log, "");
    const script = await wrapperOn("Darwin", [
      ["/usr/bin/dscl", dscl, 1],
      ["/usr/bin/id -un", await standIn("id", printing(`${user}\n`)), 2],
    ]);
    return run(
      [...interpreter.split(" "), script, "tool", "a  b"],
      { ...environment, ...env },
      Buffer.from("for the program"),
    );
  }

  const asked = "4|/Search|-read|/Users/Anna  Maria Sample|";

  test.each([
    ["a value on its line", "UserShell: /bin/dash\n"],
    ["a value with a space, below the name", `UserShell:\n ${shell}\n`],
    ["several values on one line", "UserShell: /bin/dash /bin/false\n"],
    ["several values with spaces", `UserShell:\n ${shell}\n /bin/false\n`],
    ["a warning first", "dscl: a warning about UserShell: none\nUserShell: /bin/dash\nUserShell: /bin/false\n"],
  ])("%s", async (_, answer) => {
    const { stdout, stderr } = await runOnMac("Anna  Maria Sample", { shell: answer }, { HOME: home });
    expect(stderr).toBe("");
    expect(stdout).toStartWith("tool .profile\0");
    expect(stdout).toEndWith("\0a  b\0");
    expect(await readFile(log, "utf8")).toBe(`${asked}UserShell|`);
  });

  test("without HOME the home folder comes from there, too", async () => {
    const spaced = join(folder, "home with spaces");
    await fillHome(spaced);
    for (const [path, answer] of [
      [home, `NFSHomeDirectory: ${home}\n`],
      [spaced, `NFSHomeDirectory:\n ${spaced}\n`],
    ] as const) {
      const { stdout } = await runOnMac("Anna  Maria Sample", { shell: "UserShell: /bin/dash\n", home: answer });
      expect(stdout.split("\0")[1]).toStartWith(`${path}/tools:`);
      expect(await readFile(log, "utf8")).toBe(`${asked}UserShell|${asked}NFSHomeDirectory|`);
    }
  });

  test.each([
    [
      "an error",
      { shell: "<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)\n", status: 56 },
      'login_wrapper: error reading UserShell of user "sam" from Directory Services: <dscl_cmd> DS Error: -14136 (eDSRecordNotFound) (run as a user who has an account)\n',
    ],
    [
      "an error without a word",
      { shell: "", status: 1 },
      'login_wrapper: error reading UserShell of user "sam" from Directory Services: dscl failed (run as a user who has an account)\n',
    ],
    [
      "no such attribute",
      { shell: "No such key: UserShell\n" },
      'login_wrapper: error finding the login shell: user "sam" has none (set one with chsh)\n',
    ],
    [
      "a false shell",
      { shell: "UserShell: /usr/bin/false\n" },
      'login_wrapper: error starting the login shell: that of user "sam", /usr/bin/false, runs no programs (run as another user, or without login_wrapper)\n',
    ],
  ])("%s is a sentence", async (_, answers, sentence) => {
    expect(await runOnMac("sam", answers)).toEqual({ status: 1, stdout: "", stderr: sentence });
  });
});

describe.each(interpreters)("passwd database, run by %s", (interpreter) => {
  const user = Bun.spawnSync(["/usr/bin/id", "-un"]).stdout.toString().trim();

  async function runWithEntry(entry: string | null, env = {}, etcPasswd = "") {
    const getent = await standIn("getent", entry === null ? "exit 2" : printing(`${entry}\n`));
    const file = join(folder, `${++copies}-passwd`);
    await writeFile(file, etcPasswd);
    const script = await wrapperOn("Linux", [
      ["/usr/bin/getent", getent, 1],
      ["/usr/bin/id -u)", `${await standIn("id", "echo 54321")})`, 1],
      ["</etc/passwd", `<'${file}'`, 1],
    ]);
    return run([...interpreter.split(" "), script, "tool"], { ...environment, ...env });
  }

  test("a shell with a space in its path, and the home folder where HOME is empty", async () => {
    const { stdout, stderr } = await runWithEntry(`sam:x:54321:20:Sam:${home}:${shell}`, { HOME: "" });
    expect(stderr).toBe("");
    expect(stdout.split("\0")[1]).toStartWith(`${home}/tools:`);
  });

  test("where there is no getent, /etc/passwd", async () => {
    const lines = `54321:x:0:0::/:/bin/false\nother:x:5432:54321::/:/bin/false\nsam:x:54321:1::${home}:${shell}\n`;
    const { stdout, stderr } = await runWithEntry(null, {}, lines);
    expect(stderr).toBe("");
    expect(stdout.split("\0")[1]).toStartWith(`${home}/tools:`);
  });

  const starting = "error starting the login shell:";
  const of = `that of user "${user}",`;
  const refusals: [shell: string | null, sentence: string][] = [
    [null, "error finding the login shell: there is no user with the number 54321 (run as a user who exists)"],
    ["", `error finding the login shell: user "${user}" has none (set one with chsh)`],
    ...["/usr/bin/false", "/usr/sbin/nologin", "/sbin/nologin", "/bin/true", "/bin/sync"].map(
      (path): [string, string] => [
        path,
        `${starting} ${of} ${path}, runs no programs (run as another user, or without login_wrapper)`,
      ],
    ),
    ["bash", `${starting} ${of} bash, is not an absolute path (set another with chsh)`],
    [
      "/no/such/shell",
      `${starting} ${of} /no/such/shell, is missing or no file (install it, or set another with chsh)`,
    ],
    [folder, `${starting} ${of} ${folder}, is missing or no file (install it, or set another with chsh)`],
    [
      notExecutable,
      `${starting} user "${user}" may not execute ${notExecutable} (correct its mode, or set another with chsh)`,
    ],
  ];
  test.each(refusals)("shell %j is a sentence", async (path, sentence) => {
    const outcome = await runWithEntry(path === null ? null : `sam:x:54321:20:Sam:${home}:${path}`);
    expect(outcome).toEqual({ status: 1, stdout: "", stderr: `login_wrapper: ${sentence}\n` });
  });
});

// The script itself, by real accounts. Their names are random, so that runs do not meet.
describe.skipIf(process.getuid?.() !== 0 || process.platform !== "linux")("real accounts (as root on Linux)", () => {
  const readable = join(folder, "libexec/login_wrapper");
  beforeAll(async () => {
    await mkdir(join(folder, "libexec"));
    await writeExecutable(readable, await Bun.file(wrapper).text());
  });

  /** Runs `command` as a new user with that shell, with no HOME and no name in the environment. */
  async function runAsUser(loginShell: string, command: string[]) {
    const name = `lss${crypto.randomUUID().slice(0, 8)}`;
    try {
      const added = await run(
        ["/usr/sbin/useradd", "--no-create-home", "--no-log-init", "--home-dir", home, "--shell", loginShell, name],
        {},
      );
      expect(added).toEqual({ status: 0, stdout: "", stderr: "" });
      // fish complains where it cannot write.
      await run(["/bin/chown", "-R", name, home], {});
      return await run(
        ["/usr/bin/setpriv", `--reuid=${name}`, "--regid=65534", "--clear-groups", ...command],
        environment,
      );
    } finally {
      await run(["/usr/sbin/userdel", name], {});
    }
  }

  for (const { name, debianPackage, path, profile } of loginShells) {
    test.skipIf(path === null)(`login shell ${name} (Debian package ${debianPackage})`, async () => {
      const { stdout, stderr } = await runAsUser(path ?? "", [readable, "tool", "a 'b'", ""]);
      expect(stderr).toBe("");
      const [profileRead, searchPath, ...rest] = stdout.split("\0");
      expect(profileRead).toBe(`tool ${profile}`);
      expect(searchPath).toStartWith(`${home}/tools:`);
      expect(rest).toEqual(["a 'b'", "", ""]);
    });
  }

  test("an account for services alone", async () => {
    const { status, stderr } = await runAsUser("/usr/sbin/nologin", [readable, "tool"]);
    expect(stderr).toContain("/usr/sbin/nologin, runs no programs");
    expect(status).toBe(1);
  });

  test("a number without an account", async () => {
    const { status, stderr } = await run(
      ["/usr/bin/setpriv", "--reuid=4242424", "--clear-groups", readable, "tool"],
      {},
    );
    expect(stderr).toContain("there is no user with the number 4242424 (");
    expect(status).toBe(1);
  });
});
