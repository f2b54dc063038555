import type { Subprocess } from "bun";
import { waitFor } from "./wait.ts";

export interface CommandOptions {
  /** All of its environment but PATH, which is the tests' own unless it is named here. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  argv0?: string;
  /** What runs the command, which comes after these arguments: `["nohup"]`. */
  through?: string[];
  stdin?: "ignore" | "pipe" | Buffer;
  /** Where stderr goes instead of into `stderr`. */
  stderr?: Bun.BunFile;
}

/** How a process ended; `code` is null when a signal ended it. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A command in a session of its own, whose output is kept. Disposing of it kills it and everything that it started. */
export class Command implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly process: Subprocess<"ignore" | "pipe" | Buffer, "pipe", "pipe" | Bun.BunFile>;
  readonly #ended: Promise<void>;

  constructor(command: string[], options: CommandOptions = {}) {
    const { env = {}, cwd, argv0, through = [], stdin = "ignore", stderr } = options;
    this.process = Bun.spawn([...through, ...command], {
      env: { PATH: process.env.PATH, ...env },
      ...(cwd === undefined ? {} : { cwd }),
      ...(argv0 === undefined ? {} : { argv0 }),
      stdio: [stdin, "pipe", stderr ?? "pipe"],
      detached: true,
    });
    const output = collect(this.process.stdout, (text) => {
      this.stdout += text;
    });
    const errors = collect(this.process.stderr, (text) => {
      this.stderr += text;
    });
    this.#ended = Promise.all([output, errors, this.process.exited]).then(() => undefined);
  }

  get pid(): number {
    return this.process.pid;
  }

  /** Waits until stderr matches. */
  async logged(pattern: RegExp, timeout?: number): Promise<RegExpMatchArray> {
    const failed = () => `${pattern} on stderr, which is ${JSON.stringify(this.stderr)}`;
    return waitFor(failed, () => this.stderr.match(pattern) as RegExpMatchArray, timeout);
  }

  /** Resolves with its exit code, however much of its output has been read. */
  get exited(): Promise<number> {
    return this.process.exited;
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Sends a signal to everything that it started, too. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal);
  }

  /** Waits until stdout matches. */
  async printed(pattern: RegExp, timeout?: number): Promise<RegExpMatchArray> {
    const failed = () => `${pattern} on stdout, which is ${JSON.stringify(this.stdout)} (stderr: ${this.stderr})`;
    return waitFor(failed, () => this.stdout.match(pattern) as RegExpMatchArray, timeout);
  }

  /** Waits until it has ended and all its output is there. */
  async ended(timeout = 20_000): Promise<Ended> {
    let over = false;
    this.#ended.then(() => {
      over = true;
    });
    await waitFor(
      () => `process ${this.pid} to end; stderr: ${this.stderr}`,
      () => over,
      timeout,
    );
    return { code: this.process.exitCode, stdout: this.stdout, stderr: this.stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // All of it has ended.
    }
    await this.process.exited;
  }
}

async function collect(
  stream: ReadableStream<Uint8Array> | number | undefined,
  add: (text: string) => void,
): Promise<void> {
  if (!(stream instanceof ReadableStream)) return;
  const decoder = new TextDecoder();
  for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }));
}
