import { waitFor } from "./wait.ts";

/** A network namespace (ip-netns(8)) whose local ports can be few, so that connections run out of them. Needs root and ip(8). */
export class FewPorts implements AsyncDisposable {
  private constructor(readonly namespace: string) {}

  /** Whether this machine can have one. */
  static get possible(): boolean {
    return process.platform === "linux" && process.getuid?.() === 0 && Bun.which("ip") !== null;
  }

  static async start(ports: number): Promise<FewPorts> {
    const space = new FewPorts(`lss-ports-${process.pid}-${Math.random().toString(36).slice(2, 8)}`);
    await Bun.$`ip netns add ${space.namespace}`.quiet();
    await Bun.$`${space.through} ip link set lo up`.quiet();
    await space.limit(ports);
    return space;
  }

  /** The arguments before a command that runs it there. */
  get through(): string[] {
    return ["ip", "netns", "exec", this.namespace];
  }

  /** From now on a connection takes one of so many local ports (ip(7), ip_local_port_range). */
  async limit(ports: number): Promise<void> {
    await Bun.$`${this.through} sysctl -qw ${`net.ipv4.ip_local_port_range=40000 ${40_000 + ports - 1}`}`.quiet();
  }

  /** Waits until a server listens on a port of 127.0.0.1 there. */
  async listening(port: number): Promise<void> {
    await waitFor(`a server on port ${port}`, async () =>
      (await Bun.$`${this.through} ss -Hltn`.quiet().text()).includes(`127.0.0.1:${port} `),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Bun.$`ip netns del ${this.namespace}`.quiet().nothrow();
  }
}
