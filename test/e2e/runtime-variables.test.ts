import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchRuntimes, type Target } from "../../scripts/runtimes.ts";
import { order } from "../support/client.ts";
import { backendCommand } from "../support/faulty-backend.ts";
import { peer } from "../support/peers.ts";
import { programUnderTest, run, serve } from "../support/program-under-test.ts";
import { wordsIn } from "../support/runtime-names.ts";

/** Prints an environment variable and goes on as a backend. */
const printing = (name: string) => [
  "sh",
  "-c",
  `printf 'program has <%s>\\n' "$${name}" >&2; unset ${name}; exec "$0" "$1"`,
  ...backendCommand,
];

const folder = mkdtempSync(join(tmpdir(), "variables-"));
const marker = join(folder, "marker");
const preload = join(folder, "preload.js");
writeFileSync(preload, `require("fs").writeFileSync(${JSON.stringify(marker)}, ""); console.error("preloaded");`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ["_UN_OPTIONS", `--preload ${preload}`],
  ["BUN_OPTIONS", `--preload ${preload}`],
  ["BUN_OPTIONS", "--version"],
  ["BUN_BE_BUN", "1"],
  ["BUN_INSPECT", "ws://127.0.0.1:0/x?wait=1"],
  ["BUN_INSPECT", "1"],
  ["BUN_INSPECT_CONNECT_TO", join(folder, "debugger")],
  ["BUN_INSPECT_NOTIFY", `unix://${join(folder, "debugger")}`],
  ["BUN_INSPECT_PRELOAD", preload],
  ["NODE_OPTIONS", `--require ${preload}`],
  ["NODE_OPTIONS", "--no-such-option"],
  ["NODE_PATH", folder],
  ["NODE_UNIQUE_ID", "1"],
  ["NODE_DEBUG", "net"],
  ["NODE_EXTRA_CA_CERTS", join(folder, "missing")],
  ["NODE_V8_COVERAGE", join(folder, "coverage")],
  ["BUN_CONFIG_VERBOSE_FETCH", "curl"],
  ["BUN_FEATURE_FLAG_DISABLE_IPV4", "1"],
  ["BUN_GC_TIMER_DISABLE", "1"],
  ["JSC_useJIT", "0"],
  ["BUN_JSC_useJIT", "0"],
  ["BUN_JSC_dumpOptions", "2"],
  ["BUN_JSC_noSuchOption", "1"],
  ["BUN_JSC_jitDumpDirectory", folder],
  ["BUN_BYTECODE_ORDER_OUT", marker],
  ["BUN_BYTECODE_ORDER_NAMES_OUT", marker],
  ["BUN_BYTECODE_DIGEST_OUT", marker],
  ["BUN_GARBAGE_COLLECTOR_LEVEL", "2"],
  ["MIMALLOC_VERBOSE", "1"],
  ["mimalloc_show_stats", "1"],
  ["UV_THREADPOOL_SIZE", "0"],
])("%s=%s reaches the program and changes nothing of the daemon", async (name, value) => {
  await using daemon = await serve({ program: printing(name), env: { [name]: value } });
  using client = await order(daemon.address, { answer: 100_000 });
  await client.got(100_000);
  expect(client.differsAt).toBeNull();
  await daemon.logged(/program has <.*>\n/);
  expect(daemon.stderr.split("\n").toSorted()).toEqual(
    ["", expect.stringMatching(/^launch_socket_server: serving /), `program has <${value}>`].toSorted(),
  );
  // One listener of its own: a debugger's port would be a second.
  const listening = (await Bun.$`ss -Hltnp`.text()).split("\n").filter((line) => line.includes(`pid=${daemon.pid},`));
  expect(listening).toHaveLength(1);
  expect(existsSync(marker)).toBe(false);
});

test("an entry without a name steers nothing", async () => {
  // Where getenv is asked for a variable without a name, macOS's finds this entry.
  const { code, stderr } = await run(["--listen", "127.0.0.1:0", "true"], { env: { "": `--preload ${preload}` } });
  expect(stderr).not.toContain("preloaded");
  expect(existsSync(marker)).toBe(false);
  expect(code).toBe(0);
});

test("the engine writes no file where a variable asks for one", async () => {
  const dumps = mkdtempSync(join(folder, "dumps-"));
  const env = { BUN_JSC_useJITDump: "1", BUN_JSC_jitDumpDirectory: dumps };
  const { code } = await run(["--listen", "127.0.0.1:0", "true"], { env });
  expect({ code, files: readdirSync(dumps) }).toEqual({ code: 0, files: [] });
});

const strace = process.platform === "linux" ? peer("strace", "strace") : null;
const runtime: Target =
  programUnderTest.platform === "macos" ? "darwin-x64" : `linux-${process.arch as "x64" | "arm64"}`;

/** What the daemon, the C library or the loader reads for good reason. */
const read = /^(LAUNCH_.*|LISTEN_.*|PATH|TMPDIR|NO_COLOR|TZ|LANG|LC_.*|LANGUAGE|LD_.*|HOME|GLIBC_TUNABLES|MACRUN_.*)$/;

/** Runs a program to its end that prints its environment; `env` is its own. What differs from run to run is left out. */
async function traced(env: Record<string, string>) {
  const trace = join(folder, "trace");
  const through = [strace ?? "", "-f", "-qq", "-e", "trace=%file", "-o", trace];
  const program = ["/usr/bin/env", "-0"];
  const { code, stdout, stderr } = await run(["--listen", "127.0.0.1:0", ...program], { env, through });
  const plain = (text: string) =>
    text
      .replace(/launch_socket_server\.\w+/g, "SOCKET")
      .replace(/127\.0\.0\.1:\d+/g, "ADDRESS")
      .replace(/\/proc\/\d+/g, "/proc/PID")
      .replace(/\d+\.sock/g, "PID.sock");
  const files = readFileSync(trace, "utf8").matchAll(/^\d+ +(\w+)\([^"\n]*"([^"]*)"/gm);
  const entries = stdout.split("\0").map((entry): [string, string] => {
    const end = entry.indexOf("=");
    return [entry.slice(0, end), entry.slice(end + 1)];
  });
  return {
    code,
    stderr: plain(stderr),
    files: [...new Set([...files].map(([, call, path = ""]) => `${call} ${plain(path)}`))].sort(),
    environment: new Map(entries),
  };
}

test.skipIf(strace === null)(
  "whatever word of the runtime's is a variable: output, exit status and files are the same, and the program gets it (needs strace)",
  async () => {
    const words = [...(await wordsIn((await fetchRuntimes())[runtime]))].filter((word) => !read.test(word));
    expect(words.length).toBeGreaterThan(10_000);
    const plain = await traced({});
    expect(plain.code).toBe(0);
    writeFileSync(join(folder, "file"), "as it was");
    for (const value of ["1", "0", "true", "", join(folder, "file"), "ws://127.0.0.1:0/x"]) {
      const { environment, ...steered } = await traced(Object.fromEntries(words.map((word) => [word, value])));
      expect({ value, ...steered }).toEqual({ value, code: plain.code, stderr: plain.stderr, files: plain.files });
      const changed = words.filter((word) => environment.get(word) !== value).sort();
      // Bun takes a parent's channel away.
      expect({ value, changed }).toEqual({ value, changed: ["NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE"] });
    }
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("as it was");
  },
  60_000,
);
