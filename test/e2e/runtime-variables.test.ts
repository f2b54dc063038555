import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { order } from "../support/client.ts";
import { backendCommand } from "../support/faulty-backend.ts";
import { run, serve } from "../support/program-under-test.ts";

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
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

test.each([
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

test.each([
  ["BUN_JSC_useJIT", "0"],
  ["BUN_JSC_useConcurrentGC", "0"],
])("%s=%s, which steers the runtime itself, is refused in a sentence", async (name, value) => {
  const { code, stderr } = await run(["--listen", "127.0.0.1:0", "true"], { env: { [name]: value } });
  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`^launch_socket_server: cannot start: ${name} in the environment .*\\n$`));
});
