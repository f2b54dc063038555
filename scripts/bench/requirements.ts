import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Contender } from "./contenders.ts";

/** What a run cannot do without, and the Debian package that brings it. */
const necessary = { cc: "gcc", nginx: "nginx-light", wrk: "wrk" };

/** Returns the sentence about what is missing, or null. Nothing is installed. */
export function missingTools(): string | null {
  if (process.platform !== "linux") return "this needs Linux: it reads /proc and uses epoll";
  const missing = Object.entries(necessary).filter(([command]) => Bun.which(command) === null);
  if (missing.length === 0) return null;
  return `${missing.map(([command]) => command).join(", ")} missing (Debian: apt-get install ${missing.map(([, name]) => name).join(" ")})`;
}

/** Whether everything that this contender needs is there. */
export function isThere({ needs }: Contender): boolean {
  return needs === null || Bun.which(needs.command) !== null;
}

/** Compiles the load programs, and the Go proxy where there is a Go, into `folder`. */
export async function compile(source: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of ["load", "bulk"]) {
    await Bun.$`cc -O2 -Wall -Wextra -o ${join(folder, name)} ${join(source, `${name}.c`)}`;
  }
  if (Bun.which("go") !== null) await Bun.$`go build -o ${join(folder, "proxy")} ${join(source, "proxy.go")}`;
}

/** How each program calls its version, by the name that the page gives it. */
export async function versions(): Promise<Record<string, string>> {
  const commands: Record<string, [string[], RegExp]> = {
    nginx: [["nginx", "-v"], /nginx\/([\d.]+)/],
    HAProxy: [["haproxy", "-v"], /version ([\d.]+)/],
    systemd: [["systemd-socket-activate", "--version"], /systemd (\d+)/],
    socat: [["socat", "-V"], /socat version ([\d.]+)/],
    Go: [["go", "version"], /go([\d.]+)/],
    wrk: [["wrk", "-v"], /wrk \S*?([\d.]+)/],
  };
  const found: Record<string, string> = { Bun: Bun.version };
  for (const [name, [argv, pattern]] of Object.entries(commands)) {
    if (Bun.which(argv[0] ?? "") === null) continue;
    const { stdout, stderr } = Bun.spawnSync(argv, { stdout: "pipe", stderr: "pipe" });
    const version = `${stdout}${stderr}`.match(pattern)?.[1];
    if (version !== undefined) found[name] = version;
  }
  return found;
}
