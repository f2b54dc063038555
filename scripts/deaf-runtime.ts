import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * The environment variables by which Bun steers compiled programs before their first line runs: arguments of its own
 * with scripts to load, turning into `bun`, and a debugger's port. A property list may set them for the server, and
 * they are none of the daemon's business. BUN_JSC_... cannot be treated so, since it is not stored as a text.
 */
const variables = ["BUN_OPTIONS", "BUN_BE_BUN", "BUN_INSPECT"];

/**
 * Writes a copy of the Bun executable `runtime` to `copy` that does not know these variables: their names in it begin
 * with `_` instead of `B`. The copy is only good for being compiled into a program: no signature fits it any more.
 *
 * @throws Error when a name is not in the executable, as may happen with another version of Bun.
 */
export async function writeDeafRuntime(runtime: string, copy: string): Promise<void> {
  const bytes = Buffer.from(await Bun.file(runtime).arrayBuffer());
  for (const name of variables) {
    let places = 0;
    for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) {
      bytes.write("_", at, "latin1");
      places++;
    }
    if (places === 0) throw new Error(`${runtime} does not have the name ${name} in it; check what this Bun obeys`);
  }
  await mkdir(dirname(copy), { recursive: true });
  await Bun.write(copy, bytes);
}
