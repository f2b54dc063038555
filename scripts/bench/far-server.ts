import { closeSync } from "node:fs";
import type { Subprocess } from "bun";
import { bindListener } from "../../src/system/sockets.ts";
import { DelayedLink } from "../../test/support/delayed-link.ts";
import { addressOf, type Target } from "./contenders.ts";
import { run } from "./measures.ts";

/** A server of bulk data at the far end of a link with a delay; relays and clients are at the near end. */
export class FarServer implements AsyncDisposable {
  private constructor(
    readonly link: DelayedLink,
    readonly target: Target & { kind: "tcp" },
    /** bulk.c, compiled. */
    readonly tool: string,
    readonly server: Subprocess,
  ) {}

  /** `rtt` is a round trip in milliseconds. Needs what DelayedLink needs. */
  static async start(rtt: number, tool: string): Promise<FarServer> {
    const link = await DelayedLink.start({ rtt });
    const target = { kind: "tcp", host: link.far.address, port: 8_000 } as const;
    const listener = link.inside("far", () => bindListener(target, 64));
    const server = Bun.spawn([tool, "serve", "3"], { stdio: ["ignore", "ignore", "ignore", listener], detached: true });
    closeSync(listener);
    return new FarServer(link, target, tool, server);
  }

  /** Megabytes a second that one client gets by way of `place`, slow start included. */
  async download(place: Target, milliseconds: number): Promise<number> {
    const client = [this.tool, "down", addressOf(place), "1", String(milliseconds)];
    return 1_000 * Number(await run([...this.link.through("near"), ...client]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.kill(-this.server.pid, "SIGKILL");
    await this.server.exited;
    await this.link[Symbol.asyncDispose]();
  }
}
