import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { options } from "../../src/settings/options.ts";
import { Calls } from "../support/calls.ts";
import { anyText, checkAsync } from "../support/property.ts";

let calls: Calls;
beforeEach(() => {
  calls = new Calls();
});
afterEach(() => calls[Symbol.dispose]());

describe("variables", () => {
  const variables = Object.values<{ flag: string; variable?: string }>(options).flatMap(
    ({ variable }) => variable ?? [],
  );
  const strict = variables.filter(
    (name) => name !== "LAUNCH_DAEMON_SOCKET_NAME" && name !== "LAUNCH_PROGRAM_SOCKET_PATH",
  );
  const serve = () => ["--listen=127.0.0.1:0", ...calls.touch];

  test.each(variables)("an empty %s is as good as none", async (name) => {
    expect((await calls.run(serve(), { env: { [name]: "" } })).code).toBe(0);
    expect(calls.started).toBe(true);
  });

  test.each(strict)("%s: hostile values are refused, in one line that names it", async (name) => {
    for (const value of [
      "two\nlines",
      "\x1b[31m\x9b1m",
      "🚪:é",
      "a".repeat(100_000),
      `${"9".repeat(100_000)}s`,
      "--help",
    ]) {
      const ended = await calls.run(serve(), { env: { [name]: value } });
      calls.expectRefusal(ended, new RegExp(`^cannot use "[^\\x00-\\x1f\\x7f-\\x9f]*" for ${name}: `));
      expect(ended.stderr.length).toBeLessThan(1_000);
    }
  });

  test("a path that is too long for a socket is refused", async () => {
    const ended = await calls.run(serve(), { env: { LAUNCH_PROGRAM_SOCKET_PATH: `/${"a".repeat(103)}` } });
    calls.expectRefusal(ended, /the path has 104 bytes and a Unix socket takes at most 103; choose a shorter one$/);
  });

  test("bytes that are no text are refused", async () => {
    const through = ["sh", "-c", `LAUNCH_PROGRAM_TCP_ADDRESS=$(printf '\\377\\376') exec "$0" "$@"`];
    calls.expectRefusal(
      await calls.run(serve(), { through }),
      /^cannot use ".*" for LAUNCH_PROGRAM_TCP_ADDRESS: the port is missing/,
    );
  });

  test("any texts: the program runs, or one sentence says why not", async () => {
    const text = anyText.filter((text) => !text.includes("\0")).map((text) => text.toWellFormed());
    const environment = fc.dictionary(fc.constantFrom(...variables), text, { maxKeys: 3 });
    await checkAsync(
      fc.asyncProperty(environment, async (environment) => {
        rmSync(calls.marker, { force: true });
        const ended = await calls.run(serve(), { env: environment as Record<string, string>, cwd: calls.folder });
        if (ended.code !== 0) calls.expectRefusal(ended);
        // An idle time may be over before the program has done anything.
        else if (!environment.LAUNCH_DAEMON_EXIT_IDLE_TIME) expect(calls.started).toBe(true);
      }),
      40,
    );
  });
});

describe("the program's environment", () => {
  const environmentOf = async (args: string[], env: Record<string, string>) => {
    const { code, stdout } = await calls.run([...args, "/usr/bin/env", "-0"], { env });
    expect(code).toBe(0);
    return Object.fromEntries(
      stdout
        .split("\0")
        .slice(0, -1)
        .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
    );
  };
  const env = {
    PATH: "/usr/bin:/bin",
    EMPTY: "",
    LINES: "one\ntwo",
    TÜR: "🚪",
    "with.dots": "kept",
    BUN_ENV: "x",
    NODE_OPTIONS: "--no-warnings",
    LISTEN_FDS: "1",
    LISTEN_PID: "1",
    LAUNCH_DAEMON_LOG_LEVEL: "error",
  };
  const listen = "--listen=127.0.0.1:0";

  test("is ours and the two documented variables", async () => {
    const { LAUNCH_PROGRAM_SOCKET_PATH, ...rest } = await environmentOf([listen], env);
    expect(rest).toEqual({ ...env, TMPDIR: calls.temporary, LAUNCH_DAEMON_SOCKET_NAME: "Socket" });
    expect(LAUNCH_PROGRAM_SOCKET_PATH).toStartWith(join(calls.temporary, "launch_socket_server."));
  });

  test("with a TCP address there is no path", async () => {
    for (const [args, more] of [
      [[listen, "--tcp-address=:1"], {}],
      [[listen], { LAUNCH_PROGRAM_TCP_ADDRESS: ":1" }],
    ] as const) {
      const found = await environmentOf([...args], { ...env, ...more });
      expect(found).toEqual({ ...env, ...more, TMPDIR: calls.temporary, LAUNCH_DAEMON_SOCKET_NAME: "Socket" });
    }
  });

  test("has the path and the name of the flags", async () => {
    const found = await environmentOf([listen, "--socket-path=/a", "--socket-name=Web"], {
      ...env,
      LAUNCH_PROGRAM_SOCKET_PATH: "/b",
      LAUNCH_DAEMON_SOCKET_NAME: "Tls",
    });
    expect(found).toMatchObject({ LAUNCH_PROGRAM_SOCKET_PATH: "/a", LAUNCH_DAEMON_SOCKET_NAME: "Web" });
  });
});
