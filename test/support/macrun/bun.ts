import { copyFile, mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fetchRuntimes } from "../../../scripts/runtimes.ts";

const build = resolve(import.meta.dir, "../../../build");

/**
 * Bun for macOS as a program of this system: the released runtime, run by macrun, which `make` has built. `folder`, which is
 * replaced, is in build/ unless told otherwise.
 */
export async function macBun(folder = join(build, "mac-bun")): Promise<string> {
  const runtimes = await fetchRuntimes();
  const bun = join(folder, "bun");
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, "darwin-x64"), { recursive: true });
  // Other users run copies of it, and may not be let into the checkout.
  await copyFile(join(build, "mac/macrun"), join(folder, "macrun"));
  await copyFile(runtimes["darwin-x64"], join(folder, "darwin-x64/bun"));
  await copyFile(join(build, "mac/launch_socket_server-mac"), bun);
  return bun;
}
