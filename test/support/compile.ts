import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";

/** Builds a C file of this folder with the machine's `cc`, and returns the path of the result. */
export function compile(
  name: string,
  flags: string[] = [],
  output = join(import.meta.dir, "../../build/test", name),
): string {
  mkdirSync(dirname(output), { recursive: true });
  const source = join(import.meta.dir, `${name}.c`);
  // Another test may be running the same program, or compiling it.
  const made = `${output}.${process.pid}`;
  const compiler = Bun.spawnSync(["cc", "-O1", "-Wall", "-Wextra", "-Werror", ...flags, "-o", made, source], {
    stderr: "pipe",
  });
  if (!compiler.success) throw new Error(`cannot compile ${name}.c: ${compiler.stderr}`);
  renameSync(made, output);
  return output;
}
