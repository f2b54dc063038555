/**
 * The Bun executables that go into the released programs: those whose hashes stand in bun.lock.
 */
import { cp, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { resolve } from "node:path";

/** Every system that is released for, by the name that its archive bears. */
export const TARGETS = ["darwin-arm64", "darwin-x64", "linux-x64", "linux-arm64"] as const;
export type Target = (typeof TARGETS)[number];

/**
 * Returns the path of each target's runtime below `folder`, fetching all of them with the running Bun if bun.lock
 * has changed since the last time. Bun compares every package with its hash in the lock file as it downloads it;
 * a cache of this folder's own keeps out whatever lies unchecked in the user's.
 *
 * @throws Error with a sentence when a package cannot be had or does not match its hash.
 */
export async function fetchRuntimes(folder = "build/runtimes"): Promise<Record<Target, string>> {
  const lock = await Bun.file("bun.lock").text();
  const home = resolve(folder, Bun.SHA256.hash(lock, "hex").slice(0, 16));
  const runtimes = {
    "darwin-arm64": `${home}/bun-darwin-aarch64/bin/bun`,
    "darwin-x64": `${home}/bun-darwin-x64/bin/bun`,
    "linux-x64": `${home}/bun-linux-x64/bin/bun`,
    "linux-arm64": `${home}/bun-linux-aarch64/bin/bun`,
  };
  const present = async () => {
    const files = await Promise.all(Object.values(runtimes).map((path) => Bun.file(path).exists()));
    return files.every((exists) => exists);
  };
  if (await present()) return runtimes;

  await mkdir(folder, { recursive: true });
  const fresh = await mkdtemp(resolve(folder, "fetching-"));
  try {
    for (const file of ["package.json", "bun.lock"]) await cp(file, `${fresh}/${file}`);
    await install(fresh);
    // Another process may have been faster and use what it fetched: that stays.
    await rename(`${fresh}/node_modules/@oven`, home).catch(async (error) => {
      if (await present()) return;
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
      await rm(home, { recursive: true, force: true });
      await rename(`${fresh}/node_modules/@oven`, home);
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return runtimes;
}

async function install(folder: string): Promise<void> {
  const choice = ["--os=darwin", "--os=linux", "--cpu=arm64", "--cpu=x64", "--libc=glibc", "--ignore-scripts"];
  const installer = Bun.spawn(
    [process.execPath, "install", "--frozen-lockfile", "--silent", ...choice, `--cache-dir=${folder}/cache`],
    { cwd: folder, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  );
  const [status, report] = await Promise.all([installer.exited, new Response(installer.stderr).text()]);
  if (status !== 0)
    throw new Error(`cannot get the runtimes that bun.lock names: ${report.trim() || `status ${status}`}`);
}
