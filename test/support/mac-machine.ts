/**
 * A machine on which scripts/verify-macos finds what it wants of a Mac. launchd, sudo, codesign, dscl and brew are
 * stand-ins; the user, the script, its checks and the program under test are real. Where that is the Mac program, the
 * checks and their server run inside Bun for macOS, too (macrun/README.md).
 */
import { chmod, chown, copyFile, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { devDependencies } from "../../package.json";
import { copyCheckout, runIn } from "./checkout.ts";
import { compile } from "./compile.ts";
import { writeRelease } from "./homebrew.ts";
import { Launchctl } from "./launchd/launchctl.ts";
import { macBun } from "./macrun/bun.ts";
import { programUnderTest } from "./program-under-test.ts";
import { Stage } from "./stage.ts";
import { temporaryUser } from "./users.ts";

const isRoot = process.getuid?.() === 0;
const isMac = programUnderTest.platform === "macos";
const tools = join(import.meta.dir, "mac-tools");

/** What can be copied anywhere, unlike a program beside which macrun has to lie. */
const launcher = (program: string) => `#!/bin/bash\nexec -a "$0" ${program} "$@"\n`;

/** The user at the screen: one of the machine's own for root, else whoever runs the tests. */
interface User {
  name: string;
  uid: number;
  home: string;
  remove(): Promise<void>;
}

async function someUser(): Promise<User> {
  if (isRoot) {
    const user = await temporaryUser("/bin/bash");
    return { ...user, remove: async () => user[Symbol.asyncDispose]() };
  }
  const name = (await Bun.$`id -un`.text()).trim();
  return { name, uid: process.getuid?.() ?? 0, home: process.env.HOME ?? "/", remove: async () => {} };
}

export class MacMachine implements AsyncDisposable {
  /** A copy of this checkout in which `make` has been called. */
  readonly checkout: string;
  /** In place of /Library/LaunchDaemons. */
  readonly daemons: string;
  /** Where brew installs, and the words of each call of it. */
  readonly homebrew: string;
  readonly brewLog: string;

  private constructor(
    readonly stage: Stage,
    readonly user: User,
    readonly launchctl: Launchctl,
  ) {
    this.checkout = stage.path("checkout");
    this.daemons = stage.path("Library/LaunchDaemons");
    this.homebrew = stage.path("homebrew");
    this.brewLog = stage.path("homebrew/log");
  }

  /** `throttle`: milliseconds between two starts of a job; a Mac's are 10,000. */
  static async set({ throttle }: { throttle: number }): Promise<MacMachine> {
    const stage = await Stage.set();
    const user = await someUser();
    const root = isMac ? { root: stage.folder } : {};
    const domains = [`gui/${user.uid}`, "system"];
    const launchctl = new Launchctl({ folder: stage.folder, domains, throttle, ...root });
    const machine = new MacMachine(stage, user, launchctl);
    await mkdir(machine.daemons, { recursive: true });
    await mkdir(machine.homebrew);
    if (isRoot) await chown(machine.homebrew, user.uid, user.uid);
    await machine.#writeTools();
    await machine.#make();
    return machine;
  }

  /** The Bun of the checkout. */
  get bun(): string {
    return join(this.checkout, `build/bun-${devDependencies.bun}/bun`);
  }

  get environment(): Record<string, string> {
    return {
      ...{ PATH: `${this.launchctl.bin}:${process.env.PATH}`, TMPDIR: "", VERIFY_MACOS_DAEMONS: this.daemons },
      ...{ HOME: this.user.home, USER: this.user.name, LOGNAME: this.user.name },
      // Where the program finds /Library, and the Mac program launchctl too.
      ...{ TEST_INSTALL_ROOT: this.stage.folder, MACRUN_ROOT: this.stage.folder },
    };
  }

  /** What runs a command as the user. */
  get asUser(): string[] {
    const { uid } = this.user;
    return isRoot ? ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"] : [];
  }

  /** Runs a command in the checkout as the user. */
  run(...command: string[]) {
    return runIn(this.checkout, [...this.asUser, ...command], this.environment);
  }

  /** Does for Homebrew what `make dist` does: a release of the program under test. */
  async makeDist(): Promise<void> {
    const program = new TextEncoder().encode(launcher(this.stage.program));
    await writeRelease(join(this.checkout, "dist"), program, "intel");
  }

  /** Jobs that are loaded, property lists of daemons, and what lies in the folder that the script named. */
  async leftovers(output: string): Promise<string[]> {
    const work = /\/tmp\/launch_socket_server\.\w+$/m.exec(output)?.[0];
    if (work === undefined) throw new Error(`the script names no folder: ${output}`);
    return [...this.launchctl.loaded, ...(await readdir(this.daemons)), ...(await readdir(work).catch(() => []))];
  }

  async #writeTools(): Promise<void> {
    const { bin } = this.launchctl;
    for (const name of ["brew", "dscl", "sw_vers", "uname"]) await copyFile(join(tools, name), join(bin, name));
    // Of the Mac program it asks our own reading of Apple's rules, and it takes any other.
    const verify = `exec ${await this.stage.bun()} ${this.checkout}/scripts/verify-signature.ts`;
    const codesign = isMac ? `${verify} ${this.stage.path("darwin-x64/launch_socket_server")} >&2` : "exit 0";
    await writeFile(join(bin, "codesign"), `#!/bin/sh\n${codesign}\n`, { mode: 0o755 });
    const sudo = compile("mac-tools/sudo", [], join(bin, "sudo"));
    if (isRoot) await chown(sudo, 0, this.user.uid);
    await chmod(sudo, isRoot ? 0o4750 : 0o755);
  }

  /** Copies the checkout, and puts into it what `make` builds and fetches there. */
  async #make(): Promise<void> {
    await this.stage.copy("test/support/homebrew.rb");
    await copyCheckout(this.checkout);
    await mkdir(dirname(this.bun), { recursive: true });
    if (isMac) await writeFile(this.bun, launcher(await macBun(this.stage.path("mac-bun"))), { mode: 0o755 });
    else await symlink(await this.stage.bun(), this.bun);
    await mkdir(join(this.checkout, "sbin"));
    const program = join(this.checkout, "sbin/launch_socket_server");
    if (isMac) await writeFile(program, launcher(this.stage.program), { mode: 0o755 });
    else await copyFile(this.stage.program, program);
    // login_wrapper calls these by absolute path.
    const wrapper = join(this.checkout, "scripts/login_wrapper");
    const script = await Bun.file(wrapper).text();
    const names = ["uname", "dscl"].map((name) => [`/usr/bin/${name}`, join(this.launchctl.bin, name)] as const);
    await writeFile(
      wrapper,
      names.reduce((text, [from, to]) => text.replaceAll(from, to), script),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.launchctl[Symbol.asyncDispose]();
    await this.user.remove();
    await this.stage[Symbol.asyncDispose]();
  }
}
