import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, symlinkSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { version } from "../package.json";
import { Calls } from "./support/calls.ts";
import { Command, type CommandOptions } from "./support/command.ts";
import { programUnderTest } from "./support/program-under-test.ts";

const program = programUnderTest.path;

let calls: Calls;
beforeEach(() => {
  calls = new Calls();
});
afterEach(() => calls[Symbol.dispose]());

describe("without arguments", () => {
  const usage = (argv0: string) => ({ code: 1, stdout: "", stderr: `usage: ${argv0} <program> [<arg> ...]\n` });

  test("the usage line has the name exactly as it was called", async () => {
    expect(await calls.run([])).toEqual(usage(program));
    const link = join(calls.folder, "a link");
    symlinkSync(program, link);
    for (const name of [link, `${calls.folder}/../${calls.folder.split("/").at(-1)}/a link`]) {
      await using run = new Command([name]);
      expect(await run.ended()).toEqual(usage(name));
    }
  });

  test("also through PATH, by a relative path, and under another name", async () => {
    const name = basename(program);
    const shell = async (script: string) => {
      await using run = new Command(["bash", "-c", script, program], { cwd: dirname(program) });
      return await run.ended();
    };
    expect(await shell(`PATH=$PWD exec ${name}`)).toEqual(usage(name));
    expect(await shell(`./${name}`)).toEqual(usage(`./${name}`));
    expect(await shell('exec -a "-odd name" "$0"')).toEqual(usage("-odd name"));
    const path = relative(calls.folder, program);
    await using run = new Command([path], { cwd: calls.folder });
    expect(await run.ended()).toEqual(usage(path));
  });

  test("whatever the environment says", async () => {
    expect(await calls.run([], { env: { LAUNCH_PROGRAM_TCP_ADDRESS: "?", LAUNCH_DAEMON_LOG_LEVEL: "?" } })).toEqual(
      usage(program),
    );
  });
});

describe("--version and --help", () => {
  test("the version is the package's", async () => {
    expect(await calls.run(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  test("help fits into 80 columns, without escape codes where it is no terminal", async () => {
    const { code, stdout, stderr } = await calls.run(["--help"], {
      env: { FORCE_COLOR: "3", TERM: "xterm", COLUMNS: "200" },
    });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("LAUNCH_PROGRAM_SOCKET_PATH");
    for (const line of stdout.split("\n")) {
      expect(line.length).toBeLessThanOrEqual(80);
      expect(line).toMatch(/^$|^[\x20-\x7e]*[\x21-\x7e]$/);
    }
  });

  test("on a terminal the text is the same, and NO_COLOR is honoured", async () => {
    const plain = (await calls.run(["--help"])).stdout;
    const onTerminal = async (env: Record<string, string>) => {
      await using run = new Command(["script", "-qec", '"$PROGRAM" --help', "/dev/null"], {
        env: { PROGRAM: program, TERM: "xterm", ...env },
      });
      return (await run.ended()).stdout.replaceAll("\r\n", "\n");
    };
    expect(Bun.stripANSI(await onTerminal({}))).toBe(plain);
    expect(await onTerminal({ NO_COLOR: "1" })).toBe(plain);
  });
});

describe("what cannot be is one sentence", () => {
  test.each([
    [
      "an unknown option",
      ["--no-such-option"],
      "cannot use --no-such-option: there is no such option; see launch_socket_server --help",
    ],
    ["a value that is missing", ["--listen"], "cannot use --listen: its value is missing; write --listen address"],
    [
      "no program",
      ["--listen", ":0"],
      "cannot start: the program is missing; name one after the options, or - to run none",
    ],
    ["no name", [""], "cannot start: the program's name is empty; name a program, or - to run none"],
    ["no target", ["-"], "please set LAUNCH_PROGRAM_TCP_ADDRESS or LAUNCH_PROGRAM_SOCKET_PATH"],
    ["no activation", ["true"], /^error activating launch socket: this process was not started by /],
    [
      "an address of another machine",
      ["--listen", "192.0.2.77:0", "true"],
      /^error activating launch socket: cannot listen on 192\.0\.2\.77:0: it is not an address/,
    ],
    ["a bad duration", ["--stop-timeout", "1d", "true"], /^cannot use "1d" for --stop-timeout: it is not a duration/],
    [
      "two targets",
      ["--tcp-address=:1", "--socket-path=/a", "true"],
      /^cannot use --tcp-address together with --socket-path/,
    ],
    [
      "a program that is not there",
      ["--listen=:0", "/no/such"],
      "cannot start program `/no/such': there is no such file, or no interpreter for it; check the path",
    ],
    ["a folder as program", ["--listen=:0", "/"], "cannot start program `/': it is a folder; name the program in it"],
    [
      "names of two lines",
      ["--listen=:0", "/a\nb"],
      "cannot start program `/a\\nb': there is no such file, or no interpreter for it; check the path",
    ],
    [
      "an option of two lines",
      ["--a\nb\x1b[31m"],
      "cannot use --a\\nb\\u001b[31m: there is no such option; see launch_socket_server --help",
    ],
  ] as [string, string[], string | RegExp][])("%s", async (_, args, sentence) => {
    calls.expectRefusal(await calls.run(args), sentence);
  });

  test("a program that PATH has not", async () => {
    calls.expectRefusal(
      await calls.run(["--listen=:0", "server"], { env: { PATH: "/no/such:/bin" } }),
      "cannot start program `server': it is not in PATH (/no/such:/bin); write its whole path",
    );
  });

  test("a target that is one of our own listeners", async () => {
    const path = join(calls.folder, "own");
    calls.expectRefusal(
      await calls.run([`--listen=${path}`, `--socket-path=${calls.folder}/./own`, ...calls.touch]),
      `cannot relay to ${calls.folder}/./own: it is ${path}, which this program serves; give the server an address of its own`,
    );
    expect(existsSync(path)).toBe(false);
  });

  test("a TMPDIR that is not there", async () => {
    const missing = join(calls.folder, "missing");
    const ended = await calls.run([`--listen=${calls.folder}/own`, ...calls.touch], { env: { TMPDIR: missing } });
    calls.expectRefusal(ended, /^cannot make a folder for the program's socket in .*: ENOENT; set TMPDIR/);
    expect(existsSync(join(calls.folder, "own"))).toBe(false);
  });
});

describe("a slip is met", () => {
  const hint = async (args: string[], env: Record<string, string> = {}) => {
    const { code, stderr } = await calls.run(args, { env });
    expect([code, calls.started]).toEqual([1, false]);
    return stderr.replaceAll("launch_socket_server: ", "").trim().split("\n").slice(1);
  };

  test("an option that stands after the program of a start that fails", async () => {
    expect(await hint([...calls.touch, "--listen", ":0"])).toEqual([
      "--listen stands after the program; put it before sh",
    ]);
    expect(await hint(["/no/such", "--port", "80"])).toEqual([]);
  });

  test("a command without its dashes, which is never acted on", async () => {
    expect(await hint(["install", "com.example.web"])).toEqual([
      "install is taken for the program; did you mean --install?",
    ]);
    expect(await hint(["--listen=:0", "status"])).toEqual(["status is taken for the program; did you mean --status?"]);
  });

  test("addresses as people write them", async () => {
    const sentence = async (value: string) => (await calls.run(["--listen", value, ...calls.touch])).stderr;
    expect(await sentence("38081")).toContain('cannot use "38081" for --listen: it is only a port; write :38081');
    expect(await sentence("l.sock")).toContain("the path of a Unix socket has a slash; write ./l.sock");
    expect(await sentence("*:80")).toContain("there is no host *; write 0.0.0.0:80");
  });

  test("a variable that is nearly ours, and words after -, are warned of once", async () => {
    const { code, stderr } = await calls.run(["--listen=127.0.0.1:0", ...calls.touch], {
      env: { LAUNCH_DAEMON_IDLE_TIMOUT: "1s" },
    });
    expect(code).toBe(0);
    expect(stderr).toStartWith(
      "launch_socket_server: LAUNCH_DAEMON_IDLE_TIMOUT is not a setting and has no effect; did you mean LAUNCH_DAEMON_IDLE_TIMEOUT?\n",
    );
    const proxy = await calls.run(["--listen", "192.0.2.77:0", "--tcp-address=:1", "-", "server", "-x"]);
    expect(proxy.stderr).toStartWith(
      "launch_socket_server: no program is run with -, and nothing after it has an effect: server -x\n",
    );
  });
});

describe("how the program ends", () => {
  const quiet = ["--listen=127.0.0.1:0", "--log-level=error"];
  test.each([
    ["exit 3", 1, "launch_socket_server: program `sh' exited: exit status 3\n"],
    ["kill -KILL $$", 1, "launch_socket_server: program `sh' exited: signal: killed\n"],
    ["kill -TERM $$", 1, "launch_socket_server: program `sh' exited: signal: terminated\n"],
    [
      "exit 0",
      0,
      "launch_socket_server: program `sh' exited: exit status 0; a server must stay in the foreground (nginx: daemon off;)\n",
    ],
  ])("%s: exit code %d", async (script, code, stderr) => {
    expect(await calls.run([...quiet, "sh", "-c", script])).toEqual({ code, stdout: "", stderr });
  });
});

describe("nothing around steers it", () => {
  const serve = ["--listen=127.0.0.1:0", "--socket-path=/run/x", "true"];
  const withoutPort = (text: string) => text.replace(/127\.0\.0\.1:\d+/, "ADDRESS");

  test("not what tools for development look at in the environment", async () => {
    const expected = withoutPort((await calls.run(serve)).stderr);
    expect(expected).toMatch(/^launch_socket_server: serving ADDRESS by true at \/run\/x\n/);
    for (const env of [
      { DEBUG: "*" },
      { TEST: "1", NODE_ENV: "test" },
      { CI: "true" },
      { CONSOLA_LEVEL: "5" },
      { FORCE_COLOR: "1" },
    ]) {
      expect(withoutPort((await calls.run(serve, { env: env as Record<string, string> })).stderr)).toBe(expected);
    }
  });

  test("not the files of the folder that it is started in", async () => {
    const preloaded = join(calls.folder, "preloaded");
    await Bun.write(join(calls.folder, ".env"), "LAUNCH_DAEMON_LOG_LEVEL=nonsense\nFROM_DOTENV=1\n");
    await Bun.write(join(calls.folder, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
    await Bun.write(join(calls.folder, "preload.ts"), `require("fs").writeFileSync(${JSON.stringify(preloaded)}, "");`);
    await Bun.write(join(calls.folder, "package.json"), "{ not json");
    await Bun.write(join(calls.folder, "tsconfig.json"), "{ not json");
    const { code, stdout } = await calls.run(["--listen=127.0.0.1:0", "sh", "-c", 'echo "dotenv: $FROM_DOTENV"'], {
      cwd: calls.folder,
    });
    expect([code, stdout]).toEqual([0, "dotenv: \n"]);
    expect(existsSync(preloaded)).toBe(false);
  });
});

describe("a log that cannot be written", () => {
  const serve = () => ["--listen=127.0.0.1:0", "--log-level=debug", ...calls.touch];
  const unharmed = async (options: CommandOptions) => {
    expect((await calls.run(serve(), options)).code).toBe(0);
    expect(calls.started).toBe(true);
  };

  test.skipIf(!existsSync("/dev/full"))("on a full disk ends nothing (needs /dev/full)", () =>
    unharmed({ stderr: Bun.file("/dev/full") }),
  );

  test("for stderr is closed, ends nothing", () => unharmed({ through: ["sh", "-c", 'exec "$0" "$@" 2>&-'] }));

  test("for stdin, stdout and stderr are closed, ends nothing", () =>
    unharmed({ through: ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-'] }));
});

test("few descriptors are enough", async () => {
  const through = ["sh", "-c", 'ulimit -n 64; exec "$0" "$@"'];
  expect((await calls.run(["--listen=127.0.0.1:0", ...calls.touch], { through })).code).toBe(0);
});
