import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { peer } from "../support/peers.ts";
import { type ProgramUnderTest, serve } from "../support/program-under-test.ts";
import { waitFor } from "../support/wait.ts";

/** The path of a program that a comparison cannot do without. */
export function need(command: string, debianPackage: string): string {
  const path = peer(command, debianPackage);
  if (path === null) throw new Error(`${command} is missing: apt-get install ${debianPackage}`);
  return path;
}

/** A comparison of a server, asked directly and through the program under test. Disposing of it ends both and removes its folder. */
export class Comparison implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "interop-"));
  readonly #servers: Bun.Subprocess[] = [];
  readonly #daemons: ProgramUnderTest[] = [];

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Starts a server and waits until `ready` says that it serves. */
  async serve(command: string[], ready: () => Promise<boolean>, options: { cwd?: string } = {}): Promise<void> {
    const server = Bun.spawn(command, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    this.#servers.push(server);
    await waitFor(
      async () => `${command[0]}: ${server.exitCode === null ? "it runs" : await new Response(server.stderr).text()}`,
      () => server.exitCode === null && ready(),
      20_000,
    );
  }

  /** Starts the program under test before a target, and returns the port that it serves. */
  async relay(...options: string[]): Promise<number> {
    const daemon = await serve({ options });
    this.#daemons.push(daemon);
    return daemon.address.kind === "tcp" ? daemon.address.port : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of this.#daemons) await daemon[Symbol.asyncDispose]();
    for (const server of this.#servers) {
      server.kill("SIGTERM");
      await server.exited;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Whether something accepts connections there. */
export async function accepts(where: { unix: string } | { port: number }): Promise<boolean> {
  const socket = { data: () => {} };
  try {
    const connection = await ("unix" in where
      ? Bun.connect({ unix: where.unix, socket })
      : Bun.connect({ hostname: "127.0.0.1", port: where.port, socket }));
    connection.end();
    return true;
  } catch {
    return false;
  }
}

/** Runs a client to its end: its exit status and output. */
export async function run(command: string[], stdin = ""): Promise<{ status: number; stdout: string; stderr: string }> {
  const client = Bun.spawn(command, { stdin: Buffer.from(stdin), stdout: "pipe", stderr: "pipe" });
  const [status, stdout, stderr] = await Promise.all([
    client.exited,
    new Response(client.stdout).text(),
    new Response(client.stderr).text(),
  ]);
  return { status, stdout, stderr };
}

export async function sha256(path: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hash.update(chunk);
  return hash.digest("hex");
}
