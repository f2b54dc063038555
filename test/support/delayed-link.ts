import { dlopen } from "bun:ffi";
import { closeSync, existsSync, openSync, readdirSync } from "node:fs";
import { Command } from "./command.ts";
import { compile } from "./compile.ts";
import { alive } from "./processes.ts";
import { waitFor } from "./wait.ts";

export interface LinkOptions {
  /** Milliseconds that a packet and its answer take together. */
  rtt: number;
  /** The longest IP packet in bytes, at most 65535. */
  mtu?: number;
}

/** One end of the link: a network namespace (ip-netns(8)), and the IPv4 address that the other end reaches it at. */
export interface LinkEnd {
  namespace: string;
  address: string;
}

type End = "near" | "far";

/** Where ip-netns(8) keeps the namespaces. */
const folder = "/run/netns";
const prefix = "delayed-link";

/**
 * A network link with a delay: two network namespaces between which a process carries the packets (delayed-link.c), nothing
 * is lost and nothing limits the rate but the processor. Needs root, ip(8) and /dev/net/tun: see `missing`.
 */
export class DelayedLink implements AsyncDisposable {
  readonly near: LinkEnd;
  readonly far: LinkEnd;
  #carrier: Command | null = null;
  #answers = 1;

  private constructor() {
    const name = `${prefix}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
    this.near = { namespace: `${name}-near`, address: "10.77.0.1" };
    this.far = { namespace: `${name}-far`, address: "10.77.0.2" };
  }

  /** What this machine lacks for such a link, completing "there is no link: …"; null where there can be one. */
  static get missing(): string | null {
    if (process.platform !== "linux") return "it needs Linux";
    if (process.getuid?.() !== 0) return "it needs root";
    if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
    if (Bun.which("ip") === null) return "there is no ip(8) (Debian package iproute2)";
    return null;
  }

  static async start({ rtt, mtu = 9_000 }: LinkOptions): Promise<DelayedLink> {
    await removeStale();
    const link = new DelayedLink();
    try {
      await link.#start(rtt, mtu);
    } catch (error) {
      await link[Symbol.asyncDispose]();
      throw error;
    }
    return link;
  }

  async #start(rtt: number, mtu: number): Promise<void> {
    const ends = [this.near, this.far];
    for (const { namespace } of ends) await ip("netns", "add", namespace);
    const paths = ends.map(({ namespace }) => `${folder}/${namespace}`);
    const delay = String(Math.round((rtt * 1_000) / 2));
    this.#carrier = new Command([compile("delayed-link"), delay, ...paths], { stdin: "pipe" });
    await this.#answered(1);
    for (const { namespace, address } of ends) {
      await ip("-n", namespace, "address", "add", `${address}/24`, "dev", "link");
      // A queue that holds all that a sender's window lets go at once; a packet that finds it full is lost.
      await ip("-n", namespace, "link", "set", "dev", "link", "mtu", String(mtu), "txqueuelen", "20000", "up");
      await ip("-n", namespace, "link", "set", "dev", "lo", "up");
    }
  }

  /** The arguments before a command that runs it at that end. */
  through(end: End): string[] {
    return ["ip", "netns", "exec", this[end].namespace];
  }

  /**
   * Does something at that end: sockets that `action` creates before it returns belong there for good, which listening
   * and connecting to an IP address do. What it does later runs in this process's own namespace again.
   */
  inside<T>(end: End, action: () => T): T {
    const own = openSync("/proc/thread-self/ns/net", "r");
    const there = openSync(`${folder}/${this[end].namespace}`, "r");
    try {
      enter(there);
      return action();
    } finally {
      enter(own);
      closeSync(there);
      closeSync(own);
    }
  }

  /** Waits until a server listens at that end, at an address and port. */
  async listening(end: End, place: string): Promise<void> {
    await waitFor(`a server at ${place}`, async () =>
      (await Bun.$`${this.through(end)} ss -Hltn`.quiet().text()).includes(`${place} `),
    );
  }

  /** From now on all packets are lost, those on their way too; neither end is told. */
  async down(): Promise<void> {
    await this.#say("down");
  }

  /** Packets are carried again. */
  async up(): Promise<void> {
    await this.#say("up");
  }

  async #say(line: string): Promise<void> {
    const stdin = this.#carrier?.process.stdin;
    if (typeof stdin !== "object") throw new Error("the link has not been started");
    stdin.write(`${line}\n`);
    await stdin.flush();
    this.#answers++;
    await this.#answered(this.#answers);
  }

  async #answered(count: number): Promise<void> {
    const carrier = this.#carrier;
    if (carrier === null) throw new Error("the link has not been started");
    await waitFor(
      () => `the link's answer (stderr: ${carrier.stderr})`,
      () => carrier.stdout.split("\n").length > count,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#carrier?.[Symbol.asyncDispose]();
    for (const { namespace } of [this.near, this.far]) {
      if (existsSync(`${folder}/${namespace}`)) await ip("netns", "delete", namespace);
    }
  }
}

/** Removes the namespaces of runs that were killed. */
async function removeStale(): Promise<void> {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const [, pid] = name.match(new RegExp(`^${prefix}-(\\d+)-`)) ?? [];
    // Another run may remove it at the same time.
    if (pid !== undefined && !alive(Number(pid))) await Bun.$`ip netns delete ${name}`.quiet().nothrow();
  }
}

async function ip(...args: string[]): Promise<void> {
  await Bun.$`ip ${args}`.quiet();
}

/** Moves this thread, which is the one that runs JavaScript, into another network namespace (setns(2)). */
function enter(namespace: number): void {
  const CLONE_NEWNET = 0x40000000;
  const { symbols, close } = dlopen("libc.so.6", { setns: { args: ["i32", "i32"], returns: "i32" } });
  const result = symbols.setns(namespace, CLONE_NEWNET);
  close();
  if (result !== 0) throw new Error("setns failed");
}
