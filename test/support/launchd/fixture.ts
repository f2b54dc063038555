import { afterAll, afterEach, beforeAll, beforeEach } from "bun:test";
import { chmod, copyFile, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type PlistValue } from "plist";
import { programUnderTest } from "../program-under-test.ts";
import { type Job, Launchd, type LaunchdOptions, launchdLibrary } from "./stand-in.ts";

type Plist = { [key: string]: PlistValue };

/** The stand-in, a new one for each test, as its own tests play it; jobs run probe.c or a shell script. */
export class Fixture {
  /** Of this test alone; gone after it. */
  folder = "";
  launchd = new Launchd({ folder: "" });
  /** Readable to every user, unlike the checkout may be. */
  #programs = "";

  constructor() {
    beforeAll(async () => {
      this.#programs = await mkdtemp(join(tmpdir(), "launchd-programs-"));
      await chmod(this.#programs, 0o755);
      await copyFile(launchdLibrary, join(this.#programs, "liblaunchd.so"));
      const source = join(import.meta.dir, "probe.c");
      await Bun.$`cc -Wall -Wextra -Werror -o ${this.#programs}/probe ${source} -ldl`;
    });
    afterAll(() => rm(this.#programs, { recursive: true }));
    beforeEach(async () => {
      this.folder = await mkdtemp(join(tmpdir(), "launchd-"));
      this.configure({});
    });
    afterEach(async () => {
      await this.launchd.close();
      await rm(this.folder, { recursive: true });
    });
  }

  /** Replaces the stand-in before anything is loaded. */
  configure(options: Omit<LaunchdOptions, "folder">): void {
    this.launchd = new Launchd({ folder: this.folder, ...options });
  }

  /** The command line of the probe, without its own name. */
  probe(...words: string[]): string[] {
    return [join(this.#programs, "probe"), join(this.#programs, "liblaunchd.so"), ...words];
  }

  /** Loads a job of these keys; its output is captured. */
  async load(keys: Plist): Promise<Job> {
    const label = keys.Label ?? "com.example.job";
    const file = join(this.folder, `${label}.plist`);
    await Bun.write(file, build({ Label: label, ...keys }));
    return this.launchd.load(file, { capture: true });
  }

  /** Loads a job that runs at load and once, and returns what it printed. */
  async output(keys: Plist): Promise<string> {
    const job = await this.load({ RunAtLoad: true, ...keys });
    await job.waitFor("the end of the run", () => job.exits.length > 0);
    return (await job.stdout()) + (await job.stderr());
  }
}

/** ProgramArguments for a shell script. */
export const shell = (script: string) => ["/bin/sh", "-c", script];

/**
 * A loopback address on which a low port should be free: that of each test run is its own, where there are several. A
 * Mac has 127.0.0.1 alone, as the Mac program's checks know.
 */
export const quietHost =
  programUnderTest.platform === "linux"
    ? `127.${1 + (process.pid >>> 16)}.${(process.pid >>> 8) & 255}.${process.pid & 255}`
    : "127.0.0.1";

/** A socket on a free port. */
export const loopback = { SockNodeName: "127.0.0.1", SockServiceName: "0" };

/** Connects and returns all that the server sends. */
export function ask(where: { port: number; host?: string } | { path: string }): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let received = "";
  connect("path" in where ? where : { host: "127.0.0.1", ...where })
    .setEncoding("utf8")
    .on("data", (chunk) => {
      received += chunk;
    })
    .on("error", reject)
    .on("close", () => resolve(received));
  return promise;
}
