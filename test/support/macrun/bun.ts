import { copyFile, mkdir, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fetchRuntimes } from "../../../scripts/runtimes.ts";

const build = resolve(import.meta.dir, "../../../build");

/** Bun for macOS as a program of this system: the released runtime, run by macrun, which `make` has built. */
export async function macBun(): Promise<string> {
  const runtimes = await fetchRuntimes();
  const [folder, bun] = [join(build, "mac-bun"), join(build, "mac-bun/bun")];
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, "darwin-x64"), { recursive: true });
  await symlink(join(build, "mac/macrun"), join(folder, "macrun"));
  await symlink(runtimes["darwin-x64"], join(folder, "darwin-x64/bun"));
  await copyFile(join(build, "mac/launch_socket_server-mac"), bun);
  return bun;
}
