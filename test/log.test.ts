import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, type CommandOptions } from "./support/command.ts";

const source = JSON.stringify(join(import.meta.dir, "../src/log.ts"));

/** Runs statements that log, in a process whose stderr is the log; `done` on stdout says that it came to its end. */
function logging(statements: string, options: CommandOptions = {}): Command {
  const script = `import { log, setLogLevel } from ${source}; ${statements}; console.log("done");`;
  return new Command([process.execPath, "-e", script], options);
}

const loggedBy = async (statements: string, options: CommandOptions = {}): Promise<string> => {
  await using run = logging(statements, options);
  const { code, stdout, stderr } = await run.ended();
  expect([code, stdout]).toEqual([0, "done\n"]);
  return stderr;
};

const allLevels = 'log.error("e"); log.warn("w"); log.info("i"); log.debug("d")';
const lines = (letters: string) => [...letters].map((letter) => `launch_socket_server: ${letter}\n`).join("");

describe("log", () => {
  test("each level shows its own lines and those of the less talkative ones, on stderr", async () => {
    expect(await loggedBy(allLevels)).toBe(lines("ewi"));
    for (const [level, shown] of Object.entries({ error: "e", warn: "ew", info: "ewi", debug: "ewid" })) {
      expect(await loggedBy(`setLogLevel("${level}"); ${allLevels}`)).toBe(lines(shown));
    }
  });

  test("a thousand equal lines are a thousand lines", async () => {
    const logged = await loggedBy('for (let i = 0; i < 1000; i++) log.warn("same")');
    expect(logged).toBe("launch_socket_server: same\n".repeat(1_000));
  });

  test.each([
    { DEBUG: "*" },
    { DEBUG: "1", CONSOLA_LEVEL: "5" },
    { CONSOLA_LEVEL: "0" },
    { TEST: "1", NODE_ENV: "test" },
    { NODE_ENV: "production" },
    { CI: "true", GITHUB_ACTIONS: "true" },
    { FORCE_COLOR: "3", COLORTERM: "truecolor", TERM: "xterm-256color" },
  ])("%j changes nothing", async (env) => {
    expect(await loggedBy(allLevels, { env: env as Record<string, string> })).toBe(lines("ewi"));
  });

  test("a message is one line, and does not steer a terminal", async () => {
    const logged = await loggedBy('log.error("a\\nb\\r\\tc\\x1b[31md\\x9b1m\\u2028é🚪")');
    expect(logged).toBe("launch_socket_server: a\\nb\\r\\tc\\u001b[31md\\u009b1m\\u2028é🚪\n");
  });

  test("a defect keeps its stack trace in lines", async () => {
    const logged = await loggedBy('log.error(new Error("defect"))');
    expect(logged).toMatch(/^launch_socket_server: Error: defect\n +at /);
  });

  test("a line that is there was written before the process ends, however it ends", async () => {
    await using run = logging('log.info("last words"); process.kill(process.pid, "SIGKILL")');
    expect((await run.ended()).stderr).toBe("launch_socket_server: last words\n");
  });

  test("on a terminal errors and warnings are coloured, unless NO_COLOR is set", async () => {
    const terminal = (env: Record<string, string>) =>
      new Command(
        ["script", "-qec", `'${process.execPath}' -e '${`import { log } from ${source}; ${allLevels}`}'`, "/dev/null"],
        { env },
      );
    await using coloured = terminal({ TERM: "xterm" });
    expect((await coloured.ended()).stdout.replaceAll("\r", "")).toBe(
      "\x1b[31mlaunch_socket_server: e\x1b[0m\n\x1b[33mlaunch_socket_server: w\x1b[0m\nlaunch_socket_server: i\n",
    );
    await using plain = terminal({ TERM: "xterm", NO_COLOR: "1" });
    expect((await plain.ended()).stdout.replaceAll("\r", "")).toBe(lines("ewi"));
  });
});

describe("a log that cannot be written does not matter", () => {
  test.skipIf(!existsSync("/dev/full"))("full disk (needs /dev/full)", async () => {
    await loggedBy(allLevels, { stderr: Bun.file("/dev/full") });
  });

  test("closed stderr", async () => {
    await loggedBy(allLevels, { through: ["/bin/sh", "-c", 'exec "$0" "$@" 2>&-'] });
  });

  test("a pipe that nobody reads any more", async () => {
    const untilBroken = `
      const { writeSync } = require("node:fs");
      for (let open = true; open; ) {
        try {
          writeSync(2, "x");
        } catch (error) {
          open = error.code !== "EPIPE";
        }
      }`;
    await loggedBy(`${untilBroken}; ${allLevels}`, {
      through: ["/bin/bash", "-c", '{ "$0" "$@" 2>&1 >&3 | true; exit $PIPESTATUS; } 3>&1'],
    });
  });
});

describe("a pipe that is full", () => {
  /** stderr is a pipe that only the process itself could read, by descriptor 4. */
  const unread = ["/bin/sh", "-c", 'f=$(mktemp -u) && mkfifo "$f" && exec 4<>"$f" && rm "$f" && exec "$0" "$@" 2>&4'];
  const flood = 'const text = "x".repeat(80); for (let i = 0; i < 20_000; i++) log.info(i + text)';

  test("nobody reads it: lines are given up, and nothing waits for them", async () => {
    const started = performance.now();
    expect(await loggedBy(flood, { through: unread })).toBe("");
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test("a longer line than fits does not stop anything either", async () => {
    await loggedBy('log.info("x".repeat(1_000_000)); log.info("y")', { through: unread });
  });

  test("what comes after a line that was begun stands on a line of its own", async () => {
    const logged = `const { readSync } = require("node:fs"); log.info("x".repeat(1_000_000));
      const read = () => { const bytes = Buffer.alloc(1_000_000); return bytes.toString("utf8", 0, readSync(4, bytes)); };
      const begun = read(); log.info("y"); console.log(JSON.stringify([begun.endsWith("x"), read().split("\\n")]))`;
    await using run = logging(logged, { through: unread });
    expect(JSON.parse((await run.ended()).stdout.split("\n")[0] ?? "")).toEqual([
      true,
      ["", expect.stringContaining("missing here, since nobody read the log: 1"), "launch_socket_server: y", ""],
    ]);
  });

  test("read again, it goes on with whole lines and says how many are missing", async () => {
    const read = `
      const { readSync } = require("node:fs");
      const read = () => { const bytes = Buffer.alloc(1_000_000); return bytes.toString("utf8", 0, readSync(4, bytes)); };
      const before = read(); log.info("later"); log.info("last");
      console.log(JSON.stringify([before.match(/\\n$/) !== null, before.split("\\n").length - 1, read()]))`;
    await using run = logging(`${flood}; ${read}`, { through: unread });
    const { code, stdout } = await run.ended();
    expect(code).toBe(0);
    const [whole, lines, after] = JSON.parse(stdout.split("\n")[0] ?? "");
    expect(whole).toBe(true);
    expect(lines).toBeGreaterThan(10);
    const name = "launch_socket_server: ";
    expect(after).toBe(
      `${name}lines missing here, since nobody read the log: ${20_000 - lines}\n${name}later\n${name}last\n`,
    );
  });
});
