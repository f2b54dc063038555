/**
 * Compiles the program.
 *
 *   bun scripts/build.ts --outfile FILE [--target bun-darwin-arm64] [--runtime FILE] [--launchd-library FILE]
 *
 * `--runtime` is the Bun executable that goes in (default: the one that runs this script);
 * `--launchd-library` is for tests alone: the library that `launch_activate_socket` is looked up in.
 */
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { writeDeafRuntime } from "./deaf-runtime.ts";
import { signFile } from "./sign.ts";

const { values } = parseArgs({
  options: {
    outfile: { type: "string" },
    target: { type: "string" },
    runtime: { type: "string" },
    "launchd-library": { type: "string" },
  },
});

const { outfile, target } = values;
if (outfile === undefined) throw new Error("--outfile is missing");
if (target !== undefined && values.runtime === undefined) throw new Error("--target needs its --runtime");
const darwin = target?.startsWith("bun-darwin") ?? process.platform === "darwin";
const forTests = values["launchd-library"] !== undefined;
const library = values["launchd-library"] ?? (darwin ? "/usr/lib/libSystem.B.dylib" : "");

/** As source text. In the tests' program alone a Mac's tools and the folders of services are others, found when it runs. */
const constants = {
  LAUNCHD_LIBRARY: JSON.stringify(library),
  LAUNCHCTL: JSON.stringify(forTests ? "launchctl" : "/bin/launchctl"),
  LSOF: JSON.stringify(forTests ? "lsof" : "/usr/sbin/lsof"),
  SFLTOOL: JSON.stringify(forTests ? "sfltool" : "/usr/bin/sfltool"),
  INSTALL_ROOT: forTests ? "process.env.TEST_INSTALL_ROOT" : JSON.stringify(""),
};

await mkdir(dirname(outfile), { recursive: true });
// The compiled bytes hold the name of the output, so the temporary file keeps it.
const fresh = `${outfile}.new/${outfile.split("/").at(-1)}`;
const runtime = `${outfile}.new/runtime`;
await writeDeafRuntime(values.runtime ?? process.execPath, runtime);
const compiler = Bun.spawn(
  [
    process.execPath,
    "build",
    "--compile",
    "--minify-syntax",
    // A daemon must not be steered by files in the folder that it is started in.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    ...Object.entries(constants).map(([name, value]) => `--define=${name}=${value}`),
    ...(target === undefined ? [] : [`--target=${target}`]),
    `--compile-executable-path=${runtime}`,
    `--outfile=${fresh}`,
    "src/main.ts",
  ],
  { stdout: "pipe", stderr: "pipe" },
);
const [status, stdout, stderr] = await Promise.all([
  compiler.exited,
  new Response(compiler.stdout).text(),
  new Response(compiler.stderr).text(),
]);
if (status !== 0) {
  process.stderr.write(stdout + stderr);
  process.exit(status);
}
// Bun leaves a signature that does not fit the program on what it compiles for Macs with Intel processors.
if (darwin) await signFile(fresh, "launch_socket_server");
await rename(fresh, outfile);
await rm(`${outfile}.new`, { recursive: true });
