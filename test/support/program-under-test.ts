/** The one way to start the program under test. */
import { accessSync, constants, readdirSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { type Address, parseAddress } from "../../src/address.ts";
import { Command, type CommandOptions, type Ended } from "./command.ts";
import { waitFor } from "./wait.ts";

type Platform = "linux" | "macos";

const given = process.env.TEST_PROGRAM || null;
const platform = (process.env.TEST_PLATFORM ?? (process.platform === "darwin" ? "macos" : "linux")) as Platform;

/** What is tested: what `make` built, or the program that TEST_PROGRAM names, which is never built or written to. */
export const programUnderTest = {
  path: given === null ? resolve(import.meta.dir, "../../sbin/launch_socket_server") : resolve(given),
  /** Whether TEST_PROGRAM names it. */
  given: given !== null,
  /** The system it was built for: this one's, or TEST_PLATFORM (`linux` or `macos`) where a loader runs it. */
  platform,
  /** Whom a job of the launchd stand-in gets its sockets from (stage.ts). */
  activation: given === null || platform === "macos" ? "launchd" : "systemd",
} as const;

/** Whether a process runs the Mac program's own code, which macrun has mapped from its file (Linux: proc_pid_maps(5)). */
export function runsMacProgram(pid: number | null): boolean {
  return readFileSync(`/proc/${pid}/maps`, "utf8").includes("/darwin-x64/launch_socket_server\n");
}

/**
 * The program as it is where there is a launchd, so that it judges this machine's users and files: what is tested where that is
 * for macOS, else the one that `make test` builds with the stand-in's library.
 */
export const programForLaunchd =
  platform === "macos" ? programUnderTest.path : resolve(import.meta.dir, "../../build/test/launch_socket_server");

/** Prints what is tested. Where that cannot be run it ends this process with a sentence and status 1. */
export function announceProgramUnderTest(): void {
  const { path } = programUnderTest;
  const version = versionOf(path);
  if ("problem" in version) {
    console.error(
      `launch_socket_server: cannot test ${path}: ${version.problem}; TEST_PROGRAM names a program that is built already`,
    );
    process.exit(1);
  }
  console.log(`Testing ${path}, version ${version.text}, for ${platform === "macos" ? "macOS" : "Linux"}`);
}

function versionOf(path: string): { text: string } | { problem: string } {
  if (platform !== "linux" && platform !== "macos") {
    return { problem: `TEST_PLATFORM is ${JSON.stringify(platform)} and neither "linux" nor "macos"` };
  }
  try {
    if (!statSync(path).isFile()) return { problem: "it is not a file" };
    accessSync(path, constants.X_OK);
    const { exitCode, stdout } = Bun.spawnSync([path, "--version"], { stdin: "ignore", stderr: "ignore" });
    const text = stdout.toString().trim();
    if (exitCode === 0 && /^\d\S*$/.test(text)) return { text };
    return { problem: "it does not tell its version when it is called with --version" };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problems: Record<string, string> = {
      ENOENT: "there is no such file",
      ENOTDIR: "there is no such file",
      EACCES: "it may not be executed",
      ENOEXEC: "this system cannot execute it",
    };
    return { problem: problems[code ?? ""] ?? message };
  }
}

/** Starts the program under test. */
export function start(args: string[], options?: CommandOptions): ProgramUnderTest {
  return new ProgramUnderTest([programUnderTest.path, ...args], options);
}

/** Runs the program under test to its end. */
export async function run(args: string[], options?: CommandOptions): Promise<Ended> {
  await using running = start(args, options);
  return await running.ended();
}

export interface ServeOptions extends CommandOptions {
  options?: string[];
  /** The server that it starts, and its arguments; `-` for none. */
  program?: string[];
}

/** Starts the program under test on a free port of 127.0.0.1 and waits until it serves. */
export async function serve(given: ServeOptions): Promise<ProgramUnderTest> {
  const { options = [], program = ["-"], ...rest } = given;
  const started = start(["--listen", "127.0.0.1:0", ...options, ...program], rest);
  try {
    await started.serves();
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
  return started;
}

/** A process of the program under test. */
export class ProgramUnderTest extends Command {
  /** What it serves, once `serves` has resolved. */
  addresses: Address[] = [];
  /** Where that leads. */
  target: Address = { kind: "unix", path: "" };

  get address(): Address {
    const [address] = this.addresses;
    if (address === undefined) throw new Error("the program serves nothing");
    return address;
  }

  /** Waits for its line about what it serves. */
  async serves(): Promise<void> {
    const line = await this.logged(/serving (.*) by .* at (.*)\n/);
    this.addresses = (line[1] ?? "").split(", ").map((address) => parseAddress(address));
    this.target = parseAddress(line[2] ?? "");
  }

  /** How many descriptors it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Memory of its own in bytes, without the pages of its executable (proc(5), status). */
  get memory(): number {
    const [, kilobytes] = readFileSync(`/proc/${this.pid}/status`, "utf8").match(/^RssAnon:\s+(\d+) kB$/m) ?? [];
    return Number(kilobytes) * 1024;
  }

  /** Seconds of processor time used so far, in user and system mode (proc(5), stat; 100 ticks a second). */
  get processorTime(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /**
   * Waits for two seconds in which it uses less than that part of a core, ten times at most: on a busy machine the same work costs more
   * processor time now and then, but what never rests never passes.
   */
  async usesLessThan(part: number): Promise<void> {
    await waitFor(`less than ${part} of a core`, async () => (await this.load(2_000)) < part, 20_000);
  }

  /** Which part of a core it uses during the next `milliseconds`. */
  async load(milliseconds: number): Promise<number> {
    const [start, used] = [performance.now(), this.processorTime];
    await Bun.sleep(milliseconds);
    return ((this.processorTime - used) * 1000) / (performance.now() - start);
  }
}
