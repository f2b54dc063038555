import { expect } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommandOptions, Ended } from "./command.ts";
import { run } from "./program-under-test.ts";

/** A folder for calls of the program under test, which shows what they leave behind. Disposing of it removes it. */
export class Calls implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "calls."));
  /** The TMPDIR of the calls. */
  readonly temporary = join(this.folder, "tmp");
  /** Is there once `touch` was run. */
  readonly marker = join(this.folder, "started");
  /** The program of a call that leaves a trace of its start. */
  readonly touch = ["sh", "-c", 'echo started > "$0"', this.marker];

  constructor() {
    mkdirSync(this.temporary);
  }

  /** Runs the program under test to its end; nothing may be left in TMPDIR then. */
  async run(args: string[], { env, ...rest }: CommandOptions = {}): Promise<Ended> {
    const ended = await run(args, { env: { TMPDIR: this.temporary, ...env }, ...rest });
    expect(readdirSync(this.temporary)).toEqual([]);
    return ended;
  }

  get started(): boolean {
    return existsSync(this.marker);
  }

  /** One sentence on stderr, exit code 1, and nothing started. */
  expectRefusal({ code, stdout, stderr }: Ended, sentence: string | RegExp = /./): void {
    expect(stderr).toMatch(/^launch_socket_server: [^\n]+\n$/);
    const message = stderr.slice("launch_socket_server: ".length, -1);
    if (typeof sentence === "string") expect(message).toBe(sentence);
    else expect(message).toMatch(sentence);
    expect([code, stdout]).toEqual([1, ""]);
    expect(this.started).toBe(false);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}
