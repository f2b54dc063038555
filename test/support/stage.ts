import { chmod, copyFile, cp, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { build, type PlistValue } from "plist";
import { compile } from "./compile.ts";
import { type Job, Launchd, type LaunchdOptions, launchdLibrary } from "./launchd/stand-in.ts";
import { programUnderTest } from "./program-under-test.ts";

type Keys = { [key: string]: PlistValue };

const root = resolve(import.meta.dir, "../..");

/**
 * A folder that every user can read, with the program under test in reach of the launchd stand-in, and launchd's stand-in itself.
 * Disposing of it ends all jobs and removes the folder.
 */
export class Stage implements AsyncDisposable {
  readonly launchd: Launchd;

  private constructor(
    readonly folder: string,
    options: Omit<LaunchdOptions, "folder">,
  ) {
    this.launchd = new Launchd({ folder, ...options });
  }

  /** Brings the program: built for this stage to call the stand-in's launch_activate_socket, unless TEST_PROGRAM names one. */
  static async set(options: Omit<LaunchdOptions, "folder"> = {}): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), "stage-"));
    await chmod(folder, 0o755);
    const stage = new Stage(folder, options);
    const library = stage.path("liblaunchd.so");
    await copyFile(launchdLibrary, library);
    if (programUnderTest.given) await stage.#takeProgramUnderTest();
    else
      await Bun.$`${process.execPath} scripts/build.ts --outfile ${stage.program} --launchd-library ${library}`.cwd(
        root,
      );
    return stage;
  }

  /**
   * Copies the program that TEST_PROGRAM names, since jobs of other users run it, and puts in its place what hands
   * launchd's sockets on by systemd's protocol. The Mac program asks launchd itself; what runs it lies in the same folder.
   */
  async #takeProgramUnderTest(): Promise<void> {
    const { path, platform } = programUnderTest;
    if (platform === "macos") {
      await cp(dirname(path), this.folder, { recursive: true });
      await rename(this.path(basename(path)), this.program);
      return;
    }
    const copy = this.path(join("under-test", basename(path)));
    await mkdir(dirname(copy));
    await copyFile(path, copy);
    compile("by-systemd-protocol", [`-DPROGRAM="${copy}"`], this.program);
  }

  get program(): string {
    return this.path("launch_socket_server");
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Copies a file of the project onto the stage, with its mode. */
  async copy(file: string): Promise<string> {
    const copy = this.path(file.split("/").at(-1) ?? file);
    await copyFile(join(root, file), copy);
    return copy;
  }

  /** The path of a Bun that every user can run here. */
  async bun(): Promise<string> {
    const bun = this.path("bun-runtime");
    if (!(await Bun.file(bun).exists())) await copyFile(process.execPath, bun);
    return bun;
  }

  /** The command that runs a script of test/support. */
  async script(name: string): Promise<[string, ...string[]]> {
    return [await this.bun(), "run", await this.copy(`test/support/${name}`)];
  }

  /** Writes a file and returns its path. */
  async write(name: string, text: string, mode = 0o644): Promise<string> {
    const path = this.path(name);
    await Bun.write(path, text);
    await chmod(path, mode);
    return path;
  }

  /** Loads a job of these keys; its output is kept. */
  async load(keys: Keys): Promise<Job> {
    const label = `com.example.job-${Math.random().toString(36).slice(2)}`;
    const file = await this.write(`${label}.plist`, build({ Label: label, ...keys }));
    return this.launchd.load(file, { capture: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.launchd.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A socket of a plist. */
export const socket = (host: string, port: number | string) => ({ SockNodeName: host, SockServiceName: String(port) });
