/**
 * Installs the release in dist/ by Homebrew, as a user would. Homebrew takes formulae only from a tap, and homebrew-core
 * has another of the same name, so this makes a tap and uses the full name.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { BlockingSocket, SocketError } from "./blocking-socket.ts";
import { type Bench, run, startBackend, until } from "./service.ts";

const TAP = "launch-socket-server/verify";
const FORMULA = `${TAP}/launch_socket_server`;
const RELEASE = resolve("dist/launch_socket_server.rb");

/** Why Homebrew cannot be tried here, or null. */
export function homebrewIsMissing(): string | null {
  if (Bun.which("brew") === null) return "there is no Homebrew";
  if (!existsSync(RELEASE)) return "there is no dist/launch_socket_server.rb (run make dist first)";
  if (run("brew", "list", "--formula", "launch_socket_server").exitCode === 0)
    return "Homebrew has a launch_socket_server installed; uninstall it first";
  return null;
}

/** Installs, runs the formula's own test, and removes everything again. @throws Error with what brew said. */
export async function installByHomebrew(bench: Bench): Promise<void> {
  await withFormula(bench, async () => {
    brew("test", FORMULA);
    const program = join(brew("--prefix"), "opt/launch_socket_server/sbin/launch_socket_server");
    if (run(program, "--version").exitCode !== 0) throw new Error(`${program} does not start`);
  });
}

/** Starts the formula's service as the user: 127.0.0.1:80 has to reach a server on 127.0.0.1:8080. */
export async function serveByHomebrew(bench: Bench): Promise<void> {
  await withFormula(bench, async () => {
    const backend = startBackend(bench, { LAUNCH_PROGRAM_TCP_ADDRESS: "127.0.0.1:8080" });
    try {
      brew("services", "start", FORMULA);
      await until("the service answers on 127.0.0.1:80", 15_000, answersOnPort80);
    } finally {
      backend.kill();
      run("brew", "services", "stop", FORMULA);
    }
  });
}

async function withFormula(bench: Bench, verify: () => Promise<void>): Promise<void> {
  // For the cleaning up of scripts/verify-macos.
  await Bun.write(join(bench.work, "homebrew"), "");
  try {
    brew("tap-new", "--no-git", TAP);
    await Bun.write(join(brew("--repository", TAP), "Formula/launch_socket_server.rb"), Bun.file(RELEASE));
    // Homebrew 6 loads nothing from a tap that is not trusted; older ones have no such command.
    run("brew", "trust", "--formula", FORMULA);
    brew("install", FORMULA);
    await verify();
  } finally {
    for (const undo of [
      ["uninstall", "--force", FORMULA],
      ["untrust", "--formula", FORMULA],
      ["untap", TAP],
    ])
      run("brew", ...undo);
  }
}

function brew(...args: string[]): string {
  const { exitCode, stdout, stderr } = run("brew", ...args);
  if (exitCode !== 0) {
    const said = `${stdout}${stderr}`.trim().split("\n").slice(-5).join("\n       ");
    throw new Error(`brew ${args[0]} failed: ${said}`);
  }
  return stdout.toString().trim();
}

function answersOnPort80(): boolean {
  try {
    const client = BlockingSocket.connect({ kind: "tcp", host: "127.0.0.1", port: 80 });
    client.send("last\n");
    const { bytes } = client.receiveAll();
    client.close();
    return new TextDecoder().decode(bytes) === "nothing";
  } catch (error) {
    if (error instanceof SocketError) return false;
    throw error;
  }
}
