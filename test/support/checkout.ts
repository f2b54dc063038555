/** Copies of this checkout, as a clone of it on another machine would be. */
import { cp, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Copies every file that git knows or would take into `folder`, which need not exist, and installs the dependencies. */
export async function copyCheckout(folder: string): Promise<void> {
  const listed = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  if (listed.exitCode !== 0) throw new Error(`git ls-files failed: ${listed.stderr.toString()}`);
  for (const file of listed.stdout.toString().split("\0")) {
    if (file === "" || !(await Bun.file(file).exists())) continue;
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await cp(file, join(folder, file));
  }
  const installer = Bun.spawnSync([process.execPath, "install", "--frozen-lockfile", "--silent"], { cwd: folder });
  if (installer.exitCode !== 0) throw new Error(`bun install failed: ${installer.stderr.toString()}`);
}

/** Runs a command in a folder to its end. */
export async function runIn(
  folder: string,
  command: string[],
  environment: Record<string, string> = {},
): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = Bun.spawn(command, {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [status, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { status, stdout, stderr };
}
