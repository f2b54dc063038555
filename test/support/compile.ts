import { mkdirSync } from "node:fs";

/** Builds a C file of this folder with the machine's `cc` and returns the path of the result. */
export function compile(name: string, flags: string[] = []): string {
  const folder = `${import.meta.dir}/../../build/test`;
  mkdirSync(folder, { recursive: true });
  const output = `${folder}/${name}`;
  const compiler = Bun.spawnSync(
    ["cc", "-O1", "-Wall", "-Wextra", "-Werror", ...flags, "-o", output, `${import.meta.dir}/${name}.c`],
    { stderr: "pipe" },
  );
  if (!compiler.success) throw new Error(`cannot compile ${name}.c: ${compiler.stderr}`);
  return output;
}
