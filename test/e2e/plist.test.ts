import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, cp, mkdtemp, rm, symlink, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { readPlist } from "../../src/service/plist/read.ts";
import { peer } from "../support/peers.ts";
import { programForLaunchd, programUnderTest } from "../support/program-under-test.ts";

const program = programUnderTest.path;
/** It judges this machine as well. */
const local = { argv0: programForLaunchd };
const script = peer("script", "bsdutils");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plist-"));
  await chmod(folder, 0o755);
});
afterAll(() => rm(folder, { recursive: true }));

async function run(args: string[], { argv0 = program, env = {} as Record<string, string> } = {}) {
  const child = Bun.spawn([argv0, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? "", TEST_INSTALL_ROOT: "", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}

async function write(name: string, text: string): Promise<string> {
  await Bun.write(join(folder, name), text);
  return join(folder, name);
}

const read = (text: string) => readPlist(new TextEncoder().encode(text));

describe("--print-plist", () => {
  test("prints a list that --check-plist has nothing against", async () => {
    const words = ["--user", "nobody", "--", "sh", "-c", "&<>"];
    const { status, stdout, stderr } = await run(["--print-plist", "com.example.web", ...words]);
    const log = "/Library/Logs/com.example.web.log";
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: [
        "program: /usr/bin/sh",
        `working folder: ${folder}`,
        `log: ${log}`,
        `make the log first: test -e ${log} || sudo install -m 640 -o nobody /dev/null ${log}`,
        "",
      ].join("\n"),
    });
    expect(read(stdout)).toEqual({
      Label: "com.example.web",
      UserName: "nobody",
      ProgramArguments: [program, "/usr/bin/sh", "-c", "&<>"],
      WorkingDirectory: folder,
      Sockets: { Socket: { SockNodeName: "127.0.0.1", SockServiceName: "80" } },
      KeepAlive: true,
      ExitTimeOut: 9,
      StandardOutPath: log,
      StandardErrorPath: log,
    });
    const file = await write("com.example.web.plist", stdout);
    expect((await run(["--portable", "--check-plist", file])).stdout).toBe(`${file}: 0 errors, 0 notes\n`);
  });

  test("names this program as it was called, through PATH and by a link", async () => {
    const link = join(folder, "launch_socket_server");
    await symlink(program, link);
    const called = async (argv0: string, env: Record<string, string>) => {
      const { stdout } = await run(["--print-plist", "a", "--user", "nobody", "sh"], { argv0, env });
      return (read(stdout).ProgramArguments as string[])[0];
    };
    expect(await called("./launch_socket_server", {})).toBe(link);
    const path = { PATH: `${folder}:/usr/bin:/bin` };
    const found = await run(["launch_socket_server", "--print-plist", "a", "--user", "nobody", "sh"], {
      argv0: "/usr/bin/env",
      env: path,
    });
    expect((read(found.stdout).ProgramArguments as string[])[0]).toBe(link);
  });

  test("prints all of a long list into a pipe that is read slowly", async () => {
    const words = Array.from({ length: 10_000 }, (_, index) => `argument ${index}`);
    const pipe = (reader: string) =>
      Bun.spawn(
        ["sh", "-c", `"$0" "$@" | ${reader}`, program, "--print-plist", "a", "--user", "nobody", "sh", ...words],
        {
          stdout: "pipe",
          stderr: "pipe",
        },
      );
    const slow = await new Response(pipe("(sleep 0.3; cat)").stdout).text();
    expect(read(slow).ProgramArguments).toEqual([program, "/usr/bin/sh", ...words]);
  });

  test.each([
    [["--print-plist", "../a", "server"], 'cannot use "../a" as a label'],
    [
      ["--print-plist", "a", "--user", "nobody", "sh", "\x01"],
      "it has the character U+0001, which XML cannot hold; leave it out",
    ],
    [["--print-plist", "a"], "cannot make the service a: the program is missing"],
    [["--print-plist"], "cannot use --print-plist: its value is missing; write --print-plist label"],
  ])("%j is a sentence", async (args: string[], sentence) => {
    const { status, stdout, stderr } = await run(args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toStartWith("launch_socket_server: ");
    expect(stderr).toContain(sentence);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });

  test("an argument that is no UTF-8 is a sentence", async () => {
    const shell = '"$0" --print-plist a --user nobody sh "$(printf "a\\377b")"';
    const child = Bun.spawn(["sh", "-c", shell, program], { stdout: "ignore", stderr: "pipe" });
    expect(await new Response(child.stderr).text()).toContain("it is not text in UTF-8");
    expect(await child.exited).toBe(1);
  });
});

describe("--check-plist", () => {
  const faulty = `<plist><dict><key>Label</key><string>faulty</string><key>UserName</key><string>root</string>
    <key>ProgramArguments</key><array><string>/bin/sh</string><string>/no/such</string></array></dict></plist>`;

  test("lists errors, then notes, and exits with 1", async () => {
    const file = await write("faulty.plist", faulty);
    const { status, stdout, stderr } = await run(["--check-plist", file], local);
    expect({ status, stderr }).toEqual({ status: 1, stderr: "" });
    expect(stdout).toBe(
      [
        "error: ProgramArguments[1]: there is no /no/such; check the path, or install the program",
        "error: Sockets: there are none, so launchd binds no port and nothing can be activated; add one called Socket",
        "note: UserName: the program runs as root; name a user with no other rights",
        "note: ProgramArguments[0]: it runs sh, and the checks take it for launch_socket_server; ignore them if it is something else",
        `${file}: 2 errors, 2 notes`,
        "",
      ].join("\n"),
    );
  });

  test("has the same for programs", async () => {
    const file = await write("faulty.plist", faulty);
    const { status, stdout } = await run(["--check-plist", file, "--json"], local);
    expect(status).toBe(1);
    const { findings, ...rest } = JSON.parse(stdout);
    expect(rest).toEqual({ file, errors: 2, notes: 2 });
    expect(findings[0]).toEqual({
      severity: "error",
      key: "ProgramArguments[1]",
      why: "there is no /no/such",
      fix: "check the path, or install the program",
    });
  });

  test.skipIf(script === null)("has colours on a terminal, but not with NO_COLOR (script of bsdutils)", async () => {
    const file = await write("faulty.plist", faulty);
    const onTerminal = async (env: Record<string, string>) => {
      const words = ["-qec", `${local.argv0} --check-plist ${file}`, "/dev/null"];
      return (await run(words, { argv0: script ?? "", env })).stdout;
    };
    expect(await onTerminal({})).toContain("\x1b[31merror\x1b[0m: ProgramArguments[1]");
    const plain = await onTerminal({ NO_COLOR: "1" });
    expect(plain).toContain("\nerror: Sockets");
    expect(plain).not.toContain("\x1b");
  });

  test("exits with 2 when it cannot read, and with 1 when it is no property list", async () => {
    const missing = join(folder, "missing.plist");
    expect(await run(["--check-plist", missing, "--json"])).toEqual({
      status: 2,
      stdout: "",
      stderr: `launch_socket_server: cannot check ${missing}: there is no such file; check the path\n`,
    });
    expect((await run(["--check-plist", folder])).status).toBe(2);
    const nonsense = await run(["--check-plist", await write("nonsense.plist", "<plist><dict>")]);
    expect(nonsense.status).toBe(1);
    expect(nonsense.stdout).toStartWith("error: file: it is not a property list: unclosed xml tag(s)");
    expect(nonsense.stderr).toBe("");
  });

  test("reads from a pipe, and no more than a property list may have", async () => {
    const piped = await run(
      ["-c", `cat ${await write("faulty.plist", faulty)} | ${local.argv0} --check-plist /dev/stdin`],
      { argv0: "/bin/sh" },
    );
    // What comes through a pipe has no name.
    expect(piped.stdout).toContain("/dev/stdin: 2 errors, 2 notes");
    const endless = await run(["-c", `"$0" --check-plist /dev/stdin < /dev/zero`, program], { argv0: "/bin/sh" });
    expect(endless.status).toBe(1);
    expect(endless.stdout).toContain("it has more than 16 MB");
    const large = await write("large.plist", "");
    await truncate(large, 2 ** 40);
    expect((await run(["--check-plist", large])).stdout).toContain("it has more than 16 MB");
  });

  test("waits for nobody: a FIFO, a socket or a device is a sentence", async () => {
    const refused = async (path: string, what: string) =>
      expect(await run(["--check-plist", path])).toEqual({
        status: 2,
        stdout: "",
        stderr: `launch_socket_server: cannot check ${path}: it is ${what}; name a file\n`,
      });
    const fifo = join(folder, "fifo.plist");
    await Bun.$`mkfifo ${fifo}`;
    await refused(fifo, "a FIFO");
    await symlink(fifo, join(folder, "link.plist"));
    await refused(join(folder, "link.plist"), "a FIFO");
    await refused("/dev/zero", "a device");
    const path = join(folder, "socket.plist");
    const server = Bun.listen({ unix: path, socket: { data() {} } });
    await refused(path, "a socket").finally(() => server.stop(true));
  });

  test("changes nothing", async () => {
    const file = await write("faulty.plist", faulty);
    const list = async () => (await Bun.$`find ${folder} -printf "%p %m %u %s %T@ %i\n"`.text()).split("\n").sort();
    const before = await list();
    await run(["--check-plist", file]);
    expect(await list()).toEqual(before);
  });

  test("waits for a standard input that somebody has made non-blocking", async () => {
    const file = await write("late.plist", faulty);
    // The second half comes a while after the first has been read.
    const FIONREAD = process.platform === "darwin" ? 0x4004667f : 0x541b;
    const late = `use Fcntl; my $file = shift; pipe(R, W) or die $!;
      if (!fork) {
        open(F, "<", $file) or die $!; read(F, my $all, 1e6); my $half = int(length($all) / 2);
        syswrite(W, substr($all, 0, $half));
        my $left; do { ioctl(R, ${FIONREAD}, $left = pack("i", 0)) or die $! } while unpack("i", $left) > 0;
        select(undef, undef, undef, 0.3); syswrite(W, substr($all, $half)); exit
      }
      close W; open(STDIN, "<&R"); fcntl(STDIN, F_SETFL, O_RDONLY | O_NONBLOCK) or die $!; exec @ARGV`;
    const { status, stdout } = await run(["-e", late, file, program, "--portable", "--check-plist", "-"], {
      argv0: "perl",
    });
    expect({ status, last: stdout.split("\n").at(-2) }).toEqual({ status: 1, last: "-: 1 error, 2 notes" });
  });

  test("takes several files, and standard input: the worst decides", async () => {
    const good = await write(
      "com.example.good.plist",
      (await run(["--print-plist", "com.example.good", "--user", "nobody", "sh"])).stdout,
    );
    const bad = await write("faulty.plist", faulty);
    const both = await run(["--portable", "--check-plist", good, bad]);
    expect(both.status).toBe(1);
    expect(both.stdout).toContain(`${good}: 0 errors, 0 notes\nerror: Sockets: `);
    const all = await run(["--portable", "--json", "--check-plist", good, join(folder, "none.plist"), bad]);
    expect(all.status).toBe(2);
    expect(all.stderr).toContain("none.plist: there is no such file");
    expect(JSON.parse(all.stdout).map(({ file, errors }: { file: string; errors: number }) => [file, errors])).toEqual([
      [good, 0],
      [bad, 1],
    ]);
    expect((await run(["--portable", "--json", "--check-plist", good, good])).status).toBe(0);
    const piped = await run(["-c", `${program} --portable --check-plist - < ${good}`], { argv0: "/bin/sh" });
    expect(piped).toEqual({ status: 0, stdout: "-: 0 errors, 0 notes\n", stderr: "" });
    const after = await run(["--check-plist", good, bad, "--json"]);
    expect(after.stderr).toContain("cannot use --json after the files: write it before --check-plist");
  });

  test("says nothing of this machine's users and files with --portable, nor without launchd", async () => {
    const file = await write("faulty.plist", faulty.replace("root<", "no-such-user<"));
    expect((await run(["--check-plist", file], local)).stdout).toContain('this machine has no user "no-such-user"');
    const lines = ["error: Sockets: there are none", "note: ProgramArguments[0]: it runs sh"];
    const unasked = programUnderTest.platform === "macos" ? [] : [await run(["--check-plist", file])];
    for (const found of [await run(["--portable", "--check-plist", file], local), ...unasked]) {
      expect(found.stdout.split("\n")).toEqual([
        ...lines.map((line) => expect.stringContaining(line)),
        `${file}: 1 error, 1 note`,
        "",
      ]);
    }
  });

  test("has nothing against the examples, on any system", async () => {
    const examples = resolve(import.meta.dir, "../../share/launch_socket_server/examples");
    const files = [...new Bun.Glob("*/*.plist").scanSync({ cwd: examples, absolute: true })].sort();
    expect(files).toHaveLength(8);
    for (const called of [{}, local]) {
      const checked = await run(["--portable", "--check-plist", ...files], called);
      expect(checked).toEqual({
        status: 0,
        stderr: "",
        stdout: files.map((file) => `${file}: 0 errors, 0 notes\n`).join(""),
      });
    }
  });
});

test.skipIf(process.getuid?.() !== 0)("what is out of reach is noted, not called missing (for root)", async () => {
  const hidden = join(folder, "hidden");
  await Bun.write(join(hidden, "server"), "");
  await chmod(join(hidden, "server"), 0o755);
  await chmod(hidden, 0o700);
  const copy = join(folder, "copy/launch_socket_server");
  // What runs the Mac program lies in the same folder.
  if (programUnderTest.platform === "macos") await cp(dirname(program), dirname(copy), { recursive: true });
  else await Bun.write(copy, Bun.file(local.argv0));
  await chmod(copy, 0o755);
  const { stdout } = await run(["--print-plist", "hidden", "--user", "nobody", "--log", "/dev/null", "sh"]);
  const text = stdout
    .replace(program, copy)
    .replace("/usr/bin/sh", `${hidden}/server`)
    .replaceAll("/dev/null", `${hidden}/a.log`);
  const file = await write("hidden.plist", text);
  const checked = await run(["--reuid=65534", "--clear-groups", copy, "--check-plist", file], {
    argv0: "/usr/bin/setpriv",
  });
  expect(checked.status).toBe(0);
  expect(checked.stdout).toContain("0 errors, 2 notes");
  expect(checked.stdout).toContain(
    `note: ProgramArguments[1]: ${hidden}/server is out of reach of the user who runs the checks`,
  );
  expect((await run(["--check-plist", file], local)).stdout).toContain(
    `error: ProgramArguments[1]: nobody may not execute ${hidden}/server`,
  );
});

describe("without launchd", () => {
  const withoutLaunchd = test.skipIf(programUnderTest.platform === "macos");

  withoutLaunchd.each([
    [["--install", "com.example.web", "server"]],
    [["--install", "web.plist"]],
    [["--uninstall", "com.example.web"]],
  ])("%j says that it needs macOS", async (args: string[]) => {
    const { status, stdout, stderr } = await run(args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("that needs macOS and its launchd; --dry-run, --print-plist and --check-plist work here");
  });

  withoutLaunchd("--dry-run shows what would be done on a Mac", async () => {
    const words = ["--user", "nobody", "--tcp-address", ":8000", "--address", "::1", "--address", "127.0.0.1", "sh"];
    const { status, stdout, stderr } = await run(["--dry-run", "--install", "com.example.web", ...words]);
    const isRoot = process.getuid?.() === 0;
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("connect to [::1]:80\nconnect to 127.0.0.1:80\n\n<?xml");
    if (isRoot) expect(stdout).toContain("write /Library/LaunchDaemons/com.example.web.plist (root:wheel, mode 0644)");
    const file = await write("com.example.web.plist", stdout.slice(stdout.indexOf("<?xml")));
    expect((await run(["--install", file, "--dry-run"])).status).toBe(0);
    expect(existsSync("/Library/LaunchDaemons/com.example.web.plist")).toBe(false);
  });

  withoutLaunchd("--uninstall --dry-run says nothing of a launchd that is not there", async () => {
    const { status, stdout, stderr } = await run(["--dry-run", "--uninstall", "com.example.web"]);
    const isRoot = process.getuid?.() === 0;
    const [domain, place] = isRoot ? ["system", "/Library/LaunchDaemons"] : [`gui/${process.getuid?.()}`, ""];
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: "note: this system has no launchd; on a Mac that has com.example.web installed:\n",
    });
    expect(stdout).toStartWith(`launchctl bootout ${domain}/com.example.web\nremove ${place}`);
    expect(stdout).toEndWith("/com.example.web.plist\n");
  });
});

test("the released program knows no folders but the system's", async () => {
  const loaded = programUnderTest.platform === "macos" && process.platform === "linux";
  const released = loaded ? join(dirname(program), "darwin-x64/launch_socket_server") : program;
  const bytes = Buffer.from(await Bun.file(released).bytes());
  expect(bytes.includes("TEST_INSTALL_ROOT")).toBe(false);
  expect(bytes.includes("/bin/launchctl")).toBe(true);
});
