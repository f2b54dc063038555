/** A service has what its caller's shell had: the program of PATH, the folder, the user who called sudo, and a log. */
import { beforeEach, describe, expect, test } from "bun:test";
import { existsSync, lstatSync, statSync } from "node:fs";
import { chmod, chown, mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { readPlist } from "../../src/service/plist/read.ts";
import { agentUser, asUser, greeter, InstallFixture, isRoot } from "../support/install-fixture.ts";
import { peer } from "../support/peers.ts";

const fixture = new InstallFixture();
const { label } = fixture;
const node = peer("node", "nodejs");

/** A server that answers any request with its user and a file of its own folder. */
const server = `import { readFileSync } from "node:fs";
import { createServer } from "node:http";
const text = readFileSync("greeting.txt", "utf8");
createServer((request, response) => response.end(text + process.getuid())).listen(process.env.LAUNCH_PROGRAM_SOCKET_PATH);
`;

/** The server's folder, and one of programs as Homebrew's: a node, and a script for it. */
let folder = "";
let programs = "";

beforeEach(async () => {
  folder = join(fixture.folder, "hello");
  programs = join(fixture.folder, "homebrew/bin");
  await Bun.write(join(folder, "server.mjs"), server);
  await Bun.write(join(folder, "greeting.txt"), "Hello from ");
  await mkdir(programs, { recursive: true });
  if (node !== null) await symlink(node, join(programs, "node"));
  await Bun.write(
    join(programs, "serve"),
    `#!/usr/bin/env node\nawait import(process.cwd() + "/" + process.argv[2]);\n`,
  );
  for (const path of [folder, programs, join(programs, "serve"), join(fixture.folder, "homebrew")])
    await chmod(path, 0o755);
});

const called = () => ({ cwd: folder, path: programs });
const bySudo = () => ({ ...called(), env: { SUDO_USER: "nobody" } });
const fetchHello = async () => await (await fetch(`http://${fixture.address}/`)).text();

describe.skipIf(!isRoot || node === null)("--install by sudo (for root; node)", () => {
  test.each([["node"], ["serve"]])(
    "%s server.mjs, typed in the server's folder, makes a service that works",
    async (name) => {
      fixture.start();
      const words = ["--install", label, ...fixture.service(name, "server.mjs")];
      const { status, stdout, stderr } = await fixture.run(words, [], bySudo());
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toContain(
        [
          "user: nobody, who called sudo",
          `program: ${programs}/${name}`,
          `PATH: ${programs}:/usr/bin:/bin:/usr/sbin:/sbin`,
          `working folder: ${folder}`,
          `log: ${fixture.daemonLog}`,
        ].join("\n"),
      );
      expect(stdout).toContain(`${fixture.address}: a client is connected to the program`);
      expect(await fetchHello()).toBe("Hello from 65534");
      const { uid, mode } = statSync(fixture.daemonLog);
      expect({ uid, mode: mode & 0o7777 }).toEqual({ uid: 65_534, mode: 0o640 });
      expect(await Bun.file(fixture.daemonLog).text()).toContain("serving");
    },
  );

  test("keeps a log of that user, and refuses anything else in its place", async () => {
    fixture.start();
    const words = ["--install", label, ...fixture.service("node", "server.mjs")];
    await mkdir(join(fixture.folder, "Library/Logs"), { recursive: true });
    await Bun.write(fixture.daemonLog, "before\n");
    await chown(fixture.daemonLog, 65_534, 65_534);
    expect((await fixture.run(words, [], bySudo())).status).toBe(0);
    expect(await Bun.file(fixture.daemonLog).text()).toStartWith("before\n");
    const target = join(fixture.folder, "shadow");
    await rm(fixture.daemonLog);
    await symlink(target, fixture.daemonLog);
    const { status, stderr } = await fixture.run(words, [], bySudo());
    expect(status).toBe(1);
    expect(stderr).toContain(`cannot make the log ${fixture.daemonLog}: what is there is not a regular file of nobody`);
    expect(existsSync(target)).toBe(false);
    expect(lstatSync(fixture.daemonLog).isSymbolicLink()).toBe(true);
    expect(await fetchHello()).toBe("Hello from 65534");
  });

  test("a root shell has to name the user, and a program that sudo's PATH lacks is named with the way out", async () => {
    fixture.start();
    const words = ["--install", label, ...fixture.service("node", "server.mjs")];
    const nobody = await fixture.run(words, [], called());
    expect(nobody).toEqual({
      status: 1,
      stdout: "",
      stderr: `launch_socket_server: cannot make a daemon of ${label}: root has to say which user the program runs as; add --user NAME\n`,
    });
    const missing = await fixture.run(["--install", label, "only-mine"], [], bySudo());
    expect(missing.stderr).toContain('cannot find the program "only-mine": it is not in the PATH that sudo leaves');
    expect(missing.stderr).toContain('write "$(command -v only-mine)" in its place');
    await rm(join(programs, "node"));
    await Bun.write(join(programs, "serve"), "#!/usr/bin/env no-such-interpreter\n");
    const lost = await fixture.run(["--install", label, "serve"], [], bySudo());
    expect(lost.stderr).toContain("it is a script for no-such-interpreter (#!/usr/bin/env), which is not in");
    expect(existsSync(join(fixture.folder, "Library"))).toBe(false);
  });

  test("the user has to be able to run the program and enter the folder, before anything is written", async () => {
    fixture.start();
    await chmod(folder, 0o700);
    const { status, stdout } = await fixture.run(
      ["--install", label, ...fixture.service("node", "server.mjs")],
      [],
      bySudo(),
    );
    expect(status).toBe(1);
    expect(stdout).toContain(`error: WorkingDirectory: nobody may not enter ${folder}`);
    expect(existsSync(join(fixture.folder, "Library"))).toBe(false);
  });

  test.each([
    ["Users/sam/Documents/hello", /macOS keeps background jobs out of .*\/Users\/sam\/Documents; move the server/],
    [
      "Users/sam/Library/Mobile Documents/hello",
      /macOS keeps background jobs out of .*\/Users\/sam\/Library\/Mobile Documents/,
    ],
    ["Users/sam/Sites", /it is in the home of sam, and the program runs as nobody; move the server, or add --user sam/],
  ])("a server in %s is refused", async (place, sentence) => {
    fixture.start();
    const cwd = join(fixture.folder, place);
    await mkdir(cwd, { recursive: true });
    await chown(join(fixture.folder, "Users/sam"), 60_501, 60_020);
    const { status, stderr } = await fixture.run(["--install", label, "node", "server.mjs"], [], { ...bySudo(), cwd });
    expect(status).toBe(1);
    expect(stderr).toMatch(sentence);
    expect(existsSync(join(fixture.folder, "Library"))).toBe(false);
  });

  test("serves a Unix socket with a mode, and two addresses", async () => {
    fixture.start();
    const path = join(fixture.folder, "web.sock");
    const words = ["--listen-path", "../web.sock", "--listen-mode", "606", ...fixture.service(...greeter("both"))];
    const { stdout } = await fixture.run(["--install", label, ...words], [], bySudo());
    expect(stdout).toContain(
      `${fixture.address}: a client is connected to the program\n${path}: a client is connected`,
    );
    expect(await fixture.greet(path)).toBe("both");
    expect(statSync(path).mode & 0o777).toBe(0o606);
  });

  test("runs no program for -, and says that the server does not listen, whatever the log is told", async () => {
    fixture.start();
    const target = join(fixture.folder, "nobody-here.sock");
    const words = ["--socket-path", target, "--log-level", "error", ...fixture.service("-")];
    const { status, stdout } = await fixture.run(["--install", label, ...words], [], bySudo());
    expect(status).toBe(0);
    expect(stdout).toContain(
      `${fixture.address}: a client is connected and waits for the program, which does not listen at ${target} yet`,
    );
    expect(readPlist(await Bun.file(fixture.daemon).bytes()).WorkingDirectory).toBeUndefined();
  });

  test("says no more than it knows of a program that has the socket itself", async () => {
    fixture.start();
    const accept = "open(S, '<&=3') or die; while (accept(C, S)) { sleep 60 }";
    const words = ["--pass-sockets", ...fixture.service("/usr/bin/perl", "-e", accept)];
    const { stdout } = await fixture.run(["--install", label, ...words], [], bySudo());
    expect(stdout).toContain(`${fixture.address}: a client is connected; whether the program has accepted it`);
  });

  test("says when the program answers or closes by itself", async () => {
    fixture.start();
    const talker = (words: string) => [
      "/usr/bin/perl",
      "-MIO::Socket::UNIX",
      "-e",
      `$SIG{PIPE} = "IGNORE"; my $s = IO::Socket::UNIX->new(Local => $ENV{LAUNCH_PROGRAM_SOCKET_PATH}, Listen => 16) or die $!;
       while (my $c = $s->accept) { ${words} close $c }`,
    ];
    const install = (words: string) =>
      fixture.run(["--install", label, ...fixture.service(...talker(words))], [], bySudo());
    expect((await install('print $c "220 ready\\n";')).stdout).toContain("a client was answered by the program");
    expect((await install("")).stdout).toContain("a client was connected, and then closed by the program");
  });

  test("over an own older plist shows the difference, and names the keys that are not kept", async () => {
    fixture.start();
    const words = (greeting: string) => ["--install", label, ...fixture.service(...greeter(greeting))];
    await fixture.run(words("first"), [], bySudo());
    const plist = await Bun.file(fixture.daemon).text();
    await Bun.write(
      fixture.daemon,
      plist.replace("<key>KeepAlive", "<key>Nice</key><integer>5</integer><key>KeepAlive"),
    );
    const again = await fixture.run(
      [...words("first").slice(0, 2), "--idle-timeout", "5m", ...words("first").slice(2)],
      [],
      bySudo(),
    );
    expect(again.stdout).toContain(
      `what changes in ${fixture.daemon}:\n- Nice: 5\n+ EnvironmentVariables.LAUNCH_DAEMON_IDLE_TIMEOUT: 5m\nnote: the new one does not have Nice: keys added by hand are not kept\n`,
    );
    const same = await fixture.run(["--idle-timeout", "5m", ...words("first")], [], bySudo());
    expect(same.stdout).toContain(`${fixture.daemon} says the same already`);
  });
});

describe("an agent", () => {
  test("has its log in its user's folder, and the folder is made", async () => {
    fixture.start({ domains: [`gui/${agentUser}`] });
    const words = ["--install", label, ...fixture.service(...greeter("agent"))];
    const { status, stdout } = await fixture.run(words, asUser, called());
    expect(status).toBe(0);
    expect(stdout).toContain(`working folder: ${folder}\nlog: ${fixture.agentLog}\n`);
    expect(await Bun.file(fixture.agentLog).text()).toContain("serving");
    const removed = await fixture.run(["--uninstall", label], asUser);
    expect(removed.stdout).toBe(`${label} is uninstalled\n${fixture.agentLog} is still there: its log\n`);
  });
});
