import { afterAll, afterEach, beforeAll, beforeEach } from "bun:test";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quietHost } from "./launchd/fixture.ts";
import { Launchctl, type LaunchctlOptions } from "./launchd/launchctl.ts";
import { placeLsof } from "./launchd/lsof.ts";
import { programUnderTest } from "./program-under-test.ts";
import { Stage } from "./stage.ts";

export const isRoot = process.getuid?.() === 0;
export const isMac = programUnderTest.platform === "macos";

/** Who is root installs agents as somebody else: the user, and what runs a command as that user. */
export const agentUser = isRoot ? 65_534 : (process.getuid?.() ?? 0);
export const asUser = isRoot ? ["setpriv", `--reuid=${agentUser}`, `--regid=${agentUser}`, "--clear-groups"] : [];

/** A server that greets each client that says something, and closes. */
export const greeter = (greeting: string) => [
  "/usr/bin/perl",
  "-MIO::Socket::UNIX",
  "-e",
  `$SIG{PIPE} = "IGNORE"; my $s = IO::Socket::UNIX->new(Local => $ENV{LAUNCH_PROGRAM_SOCKET_PATH}, Listen => 16) or die $!;
   while (my $c = $s->accept) { print $c "${greeting}" if defined <$c>; close $c }`,
];

/** How the program is called: the working folder, what stands before PATH, and more variables. */
export interface Called {
  cwd?: string;
  path?: string;
  env?: Record<string, string>;
}

interface Result {
  status: number;
  stdout: string;
  stderr: string;
}

/**
 * A machine for the service commands: the program built for the launchd stand-in, launchctl's stand-in, folders of
 * services, and an address and port of the test's own. All is gone behind each test.
 */
export class InstallFixture {
  readonly label = "com.example.hello";
  folder = "";
  launchctl!: Launchctl;
  port = 20_000 + (process.pid % 10_000);
  stage!: Stage;

  constructor() {
    beforeAll(async () => {
      this.stage = await Stage.set();
    });
    afterAll(() => this.stage[Symbol.asyncDispose]());
    beforeEach(async () => {
      this.port++;
      this.folder = await mkdtemp(join(tmpdir(), "install-"));
      await chmod(this.folder, 0o755);
      await mkdir(join(this.folder, "home"));
      await Bun.$`chown ${agentUser} ${this.folder}/home`;
    });
    afterEach(async () => {
      await this.launchctl[Symbol.asyncDispose]();
      await rm(this.folder, { recursive: true });
    });
  }

  start(options: Partial<LaunchctlOptions> = {}): void {
    const root = isMac ? { root: this.folder } : {};
    this.launchctl = new Launchctl({ folder: this.folder, domains: ["system"], ...root, ...options });
    placeLsof(isMac ? join(this.folder, "usr/sbin/lsof") : join(this.launchctl.bin, "lsof"));
  }

  get daemons(): string {
    return join(this.folder, "Library/LaunchDaemons");
  }

  /** Where the plist of the daemon is, and that of the agent. */
  get daemon(): string {
    return join(this.daemons, `${this.label}.plist`);
  }

  get agent(): string {
    return join(this.folder, "home/Library/LaunchAgents", `${this.label}.plist`);
  }

  /** The logs that nobody has named. */
  get daemonLog(): string {
    return join(this.folder, "Library/Logs", `${this.label}.log`);
  }

  get agentLog(): string {
    return join(this.folder, "home/Library/Logs", `${this.label}.log`);
  }

  /** The flags of a service on an address and port of the test's own. */
  service(...words: string[]): string[] {
    return ["--address", quietHost, "--port", String(this.port), ...words];
  }

  daemonOf(greeting: string): string[] {
    return [this.label, ...this.service("--user", "root", ...greeter(greeting))];
  }

  get address(): string {
    return `${quietHost}:${this.port}`;
  }

  async greet(path?: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const address = path === undefined ? { host: quietHost, port: this.port } : { path };
    const socket = connect(address, () => socket.write("hello\n")).on("error", reject);
    socket.on("close", () => resolve(""));
    socket.setEncoding("utf8").on("data", (chunk) => resolve(String(chunk)));
    return promise.finally(() => socket.destroy());
  }

  spawn(args: string[], wrapper: string[] = [], { cwd = this.folder, path = "", env = {} }: Called = {}) {
    return Bun.spawn([...wrapper, this.stage.program, ...args], {
      cwd,
      env: {
        PATH: `${path === "" ? "" : `${path}:`}${this.launchctl.bin}:/usr/bin:/bin`,
        HOME: join(this.folder, "home"),
        TEST_INSTALL_ROOT: this.folder,
        MACRUN_ROOT: this.folder,
        ...env,
      },
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  async run(args: string[], wrapper: string[] = [], called: Called = {}): Promise<Result> {
    const child = this.spawn(args, wrapper, called);
    const [stdout, stderr, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { status, stdout: this.#withFolder(stdout), stderr: this.#withFolder(stderr) };
  }

  /** The Mac program knows nothing of the folder in which its /Library lies. */
  #withFolder(text: string): string {
    return isMac ? text.replace(/(?<=[\s(])\/Library\/(?=Launch|Logs)/g, `${this.folder}/Library/`) : text;
  }

  /** The calls of launchctl with that verb. */
  calls(verb: string): string[] {
    return this.launchctl.calls.filter((call) => call.startsWith(`${verb} `));
  }
}
