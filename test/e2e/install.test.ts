import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readPlist } from "../../src/service/plist.ts";
import { quietHost } from "../support/launchd/fixture.ts";
import { Launchctl, type LaunchctlOptions } from "../support/launchd/launchctl.ts";
import { Stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const isRoot = process.getuid?.() === 0;
/** Who is root installs agents as somebody else. */
const agentUser = isRoot ? 65_534 : (process.getuid?.() ?? 0);
const asUser = isRoot ? ["setpriv", `--reuid=${agentUser}`, `--regid=${agentUser}`, "--clear-groups"] : [];
const label = "com.example.hello";

let stage: Stage;
let folder: string;
let launchctl: Launchctl;

beforeAll(async () => {
  stage = await Stage.set();
});
afterAll(() => stage[Symbol.asyncDispose]());

beforeEach(async () => {
  port++;
  folder = await mkdtemp(join(tmpdir(), "install-"));
  await chmod(folder, 0o755);
  await mkdir(join(folder, "home"));
  await Bun.$`chown ${agentUser} ${folder}/home`;
});
afterEach(async () => {
  await launchctl[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const start = (options: Partial<LaunchctlOptions> = {}) => {
  launchctl = new Launchctl({ folder, domains: ["system"], ...options });
};
const daemon = () => join(folder, "Library/LaunchDaemons", `${label}.plist`);
const agent = () => join(folder, "home/Library/LaunchAgents", `${label}.plist`);

/** A server that greets each client that says something, and closes. */
const server = (greeting: string) => [
  "/usr/bin/perl",
  "-MIO::Socket::UNIX",
  "-e",
  `$SIG{PIPE} = "IGNORE"; my $s = IO::Socket::UNIX->new(Local => $ENV{LAUNCH_PROGRAM_SOCKET_PATH}, Listen => 16) or die $!;
   while (my $c = $s->accept) { print $c "${greeting}" if defined <$c>; close $c }`,
];

let port = 20_000 + (process.pid % 10_000);
/** The flags of a service on an address and port of the test's own. */
const service = (...words: string[]) => ["--address", quietHost, "--port", String(port), ...words];
const daemonOf = (greeting: string) => [label, ...service("--user", "root", ...server(greeting))];

async function greet(): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: quietHost, port }, () => socket.write("hello\n")).on("error", reject);
  socket.on("close", () => resolve(""));
  socket.setEncoding("utf8").on("data", (chunk) => resolve(String(chunk)));
  return promise.finally(() => socket.destroy());
}

interface Result {
  status: number;
  stdout: string;
  stderr: string;
}

function spawn(args: string[], wrapper: string[] = []) {
  return Bun.spawn([...wrapper, stage.program, ...args], {
    cwd: folder,
    env: { PATH: `${launchctl.bin}:/usr/bin:/bin`, HOME: join(folder, "home"), TEST_INSTALL_ROOT: folder },
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function run(args: string[], wrapper: string[] = []): Promise<Result> {
  const child = spawn(args, wrapper);
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}

const calls = (verb: string) => launchctl.calls.filter((call) => call.startsWith(`${verb} `));

describe.skipIf(!isRoot)("a daemon (for root)", () => {
  test("is written, loaded, tried out, replaced and removed", async () => {
    start();
    const installed = await run(["--install", ...daemonOf("first")]);
    expect(installed).toEqual({
      status: 0,
      stderr: "",
      stdout: [
        "note: UserName: the program runs as root; name a user with no other rights",
        `${label}: 0 errors, 1 note`,
        `${label} is installed as ${daemon()} and serves ${quietHost}:${port}`,
        "it has no log; --log names one",
        "",
      ].join("\n"),
    });
    const { uid, gid, mode } = statSync(daemon());
    expect({ uid, gid, mode: mode & 0o7777 }).toEqual({ uid: 0, gid: 0, mode: 0o644 });
    expect(readPlist(readFileSync(daemon()))).toMatchObject({ Label: label, KeepAlive: true });
    expect(await greet()).toBe("first");

    expect(await run(["--install", ...daemonOf("second")])).toMatchObject({ status: 0, stderr: "" });
    expect(await greet()).toBe("second");
    // The label was not to be had at once, and the old service was gone before.
    expect(calls("bootstrap").length).toBeGreaterThan(2);
    expect(calls("bootout")).toEqual([`bootout system/${label}`]);

    const removed = await run(["--uninstall", label]);
    expect(removed).toEqual({ status: 0, stdout: `${label} is uninstalled\n`, stderr: "" });
    expect(existsSync(daemon())).toBe(false);
    expect(launchctl.job(label)).toBeUndefined();
    const again = await run(["--uninstall", label]);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain(
      `cannot uninstall ${label}: there is no ${daemon()}, and launchd knows no such service`,
    );
    expect(readdirSync(join(folder, "Library/LaunchDaemons"))).toEqual([]);
  });

  test("is installed from a file, byte for byte, and starts on demand", async () => {
    start();
    const log = join(folder, "hello.log");
    const printed = await run([
      "--print-plist",
      label,
      "--on-demand",
      "--log",
      log,
      ...daemonOf("from a file").slice(1),
    ]);
    const file = join(folder, `${label}.plist`);
    const text = `${printed.stdout}<!-- mine -->\n`;
    await Bun.write(file, text);
    const { status, stdout } = await run(["--install", `${label}.plist`]);
    expect({ status, text: await Bun.file(daemon()).text() }).toEqual({ status: 0, text });
    expect(stdout).toContain(`its log is ${log}`);
    expect(launchctl.job(label)?.starts).toBe(1);
  });

  test("is not touched by --dry-run, which shows everything", async () => {
    start();
    const shown = await run(["--dry-run", "--install", ...daemonOf("dry")]);
    expect(shown.status).toBe(0);
    expect(shown.stdout).toContain(
      [
        `write ${daemon()} (root:wheel, mode 0644)`,
        `launchctl enable system/${label}`,
        `launchctl bootstrap system ${daemon()}`,
        `connect to ${quietHost}:${port}`,
        "",
        "<?xml",
      ].join("\n"),
    );
    expect(existsSync(join(folder, "Library"))).toBe(false);
    await run(["--install", ...daemonOf("dry")]);
    const replaced = await run(["--dry-run", "--install", ...daemonOf("dry")]);
    expect(replaced.stdout).toContain(`launchctl bootout system/${label}\nreplace ${daemon()}`);
    const removed = await run(["--uninstall", label, "--dry-run"]);
    expect(removed.stdout).toBe(`launchctl bootout system/${label}\nremove ${daemon()}\n`);
    expect(await greet()).toBe("dry");
  });

  test("with an error is refused before anything is changed", async () => {
    start();
    await run(["--install", ...daemonOf("good")]);
    const { status, stdout, stderr } = await run(["--install", label, ...service(...server("bad"))]);
    expect(status).toBe(1);
    expect(stdout).toStartWith("error: UserName: it is missing, so that a daemon and its program run as root");
    expect(stderr).toBe(
      `launch_socket_server: cannot install ${label}: the checks found 1 error; mend what is listed above\n`,
    );
    expect(calls("bootout")).toEqual([]);
    expect(await greet()).toBe("good");
  });

  test("that does not come up gives its place back to the one before", async () => {
    start();
    await run(["--install", ...daemonOf("good")]);
    const before = await Bun.file(daemon()).text();
    const { status, stderr } = await run(["--install", label, ...service("--user", "root", "sh", "-c", "exit 3")]);
    expect(status).toBe(1);
    expect(stderr).toBe(
      `launch_socket_server: cannot install ${label}: it ended with status 1; the service that was there is back; name a log by --log to see why\n`,
    );
    expect(await Bun.file(daemon()).text()).toBe(before);
    expect(await greet()).toBe("good");
  });

  test("that does not come up leaves nothing where nothing was", async () => {
    start();
    const log = join(folder, "hello.log");
    const words = service("--user", "root", "--log", log, "sh", "-c", "exit 3");
    const { status, stderr } = await run(["--install", label, ...words]);
    expect(status).toBe(1);
    expect(stderr).toContain(`it ended with status 1; nothing is installed; see ${log}\n`);
    expect(readdirSync(join(folder, "Library/LaunchDaemons"))).toEqual([]);
    expect(launchctl.job(label)).toBeUndefined();
  });

  test("is put back when the installation is interrupted", async () => {
    start();
    await run(["--install", ...daemonOf("good")]);
    launchctl.calls.length = 0;
    // It never lives for the time that a service has to.
    const child = spawn(["--install", label, ...service("--user", "root", ...server("new"))]);
    await waitFor("the new service", () => calls("bootstrap").length > 0);
    child.kill("SIGINT");
    expect(await new Response(child.stderr).text()).toContain("it was interrupted; the service that was there is back");
    expect(await child.exited).toBe(1);
    expect(await greet()).toBe("good");
  });

  test("of another label's or another program's is not removed", async () => {
    start();
    await mkdir(join(folder, "Library/LaunchDaemons"), { recursive: true });
    await Bun.write(
      daemon(),
      `<plist><dict><key>Label</key><string>${label}</string><key>ProgramArguments</key><array><string>/usr/sbin/sshd</string></array></dict></plist>`,
    );
    const { status, stderr } = await run(["--uninstall", label]);
    expect(status).toBe(1);
    expect(stderr).toContain("does not run launch_socket_server but /usr/sbin/sshd");
    expect(existsSync(daemon())).toBe(true);
  });

  test("that launchd goes on refusing ends in a sentence", async () => {
    start({ settle: 60_000 });
    await run(["--install", ...daemonOf("good")]);
    await run(["--uninstall", label]);
    const { status, stderr } = await run(["--install", ...daemonOf("good")]);
    expect(status).toBe(1);
    expect(stderr).toContain(
      "launchd does not load it (Bootstrap failed: 5: Input/output error); nothing is installed",
    );
    expect(existsSync(daemon())).toBe(false);
  }, 40_000);
});

describe("an agent", () => {
  test("is its user's, in the home folder, and needs no UserName", async () => {
    start({ domains: [`gui/${agentUser}`], disabled: [label] });
    const installed = await run(["--install", label, ...service(...server("agent"))], asUser);
    expect(installed).toMatchObject({ status: 0, stderr: "" });
    expect(installed.stdout).toContain(`${label} is installed as ${agent()} and serves ${quietHost}:${port}`);
    const { uid, mode } = statSync(agent());
    expect({ uid, mode: mode & 0o7777 }).toEqual({ uid: agentUser, mode: 0o644 });
    expect(await greet()).toBe("agent");
    expect(await run(["--uninstall", label], asUser)).toMatchObject({ status: 0, stderr: "" });
    expect(existsSync(agent())).toBe(false);
  });

  test("of a user who is not logged in at the screen ends in a sentence", async () => {
    start({ domains: ["gui/1"] });
    const { status, stderr } = await run(["--install", label, ...service(...server("agent"))], asUser);
    expect(status).toBe(1);
    expect(stderr).toContain(
      `cannot reach launchd's gui/${agentUser}: nobody is logged in as this user at the Mac's screen`,
    );
    expect(existsSync(agent())).toBe(false);
  });
});
