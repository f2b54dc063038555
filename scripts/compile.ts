/**
 * Compiles the program as it is released for one system:
 *
 *   bun scripts/compile.ts TARGET OUTFILE
 *
 * TARGET is one of `TARGETS`. A Mac's comes signed, and the signature has been checked.
 */
import { fetchRuntimes, TARGETS, type Target } from "./runtimes.ts";
import { findProblems } from "./verify-signature.ts";

/**
 * Compiles the program for a target around the given runtime, and reports each step to `progress`.
 * @throws Error with a sentence when it cannot be compiled, or when a Mac would not run it.
 */
export async function compile(
  target: Target,
  runtime: string,
  outfile: string,
  progress: (step: string) => void,
): Promise<void> {
  progress("compiling");
  const options = ["--target", `bun-${target}`, "--runtime", runtime, "--outfile", outfile];
  const compiler = Bun.spawn([process.execPath, "scripts/build.ts", ...options], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  if ((await compiler.exited) !== 0) throw new Error(`cannot build for ${target}: the compiler failed (see above)`);
  if (!target.startsWith("darwin")) return;
  progress("verifying the signature");
  const problems = findProblems(await Bun.file(outfile).bytes(), "launch_socket_server");
  if (problems.length > 0) throw new Error(`cannot release for ${target}: bad signature: ${problems.join("; ")}`);
  if (process.platform === "darwin") askCodesign(outfile);
}

/** On a Mac, the system's own opinion in addition. */
function askCodesign(path: string): void {
  const codesign = Bun.spawnSync(["/usr/bin/codesign", "--verify", "--strict", path]);
  if (codesign.exitCode !== 0) throw new Error(`codesign rejects ${path}: ${codesign.stderr.toString().trim()}`);
}

async function main([name, outfile]: string[]): Promise<void> {
  const target = TARGETS.find((known) => known === name);
  if (target === undefined || outfile === undefined) {
    throw new Error(`usage: bun scripts/compile.ts TARGET OUTFILE, where TARGET is ${TARGETS.join(", ")}`);
  }
  const runtimes = await fetchRuntimes();
  await compile(target, runtimes[target], outfile, () => {});
}

if (import.meta.main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(`launch_socket_server: ${error.message}`);
    process.exit(1);
  }
}
