import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeExit, openFiles } from "../../src/program/program.ts";
import { Command, type Ended } from "../support/command.ts";
import { compile } from "../support/compile.ts";

const root = join(import.meta.dir, "../../src");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "program."));
  mkdirSync(join(folder, "a=b"));
  for (const [name, mode, text] of [
    ["plain", 0o644, "#!/bin/sh\n"],
    ["noformat", 0o755, "\x7fELF no more\n"],
    ["nointerpreter", 0o755, "#!/no/such/interpreter\n"],
    ["a=b/server", 0o755, '#!/bin/sh\necho "$0" "$@"\n'],
  ] as const) {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), mode);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Options {
  /** The environment that is passed to Program.start; else that of the process, which is PATH alone. */
  environment?: Record<string, string>;
  /** Statements that run before the start. */
  before?: string;
  /** A shell's command that ends by becoming the process: `exec "$0" "$@"`. */
  shell?: string;
  stdin?: Buffer;
}

/** Starts a program from a process of its own, whose output is the program's. Its exit is the last line on stderr. */
function starting(command: string[], { environment, before = "", shell, stdin }: Options = {}): Command {
  const script = `
    import { Program } from ${JSON.stringify(join(root, "program/program.ts"))};
    ${before};
    try {
      const program = Program.start(${JSON.stringify(command)}, ${environment === undefined ? "process.env" : `JSON.parse(${JSON.stringify(JSON.stringify(environment))})`});
      const exit = await program.exited;
      program.signal("SIGTERM");
      console.error(JSON.stringify({ name: program.name, running: program.running, exit }));
    } catch (error) {
      console.error(JSON.stringify({ [error.name]: error.message }));
    }
    process.exit(0);`;
  const through = shell === undefined ? [] : ["/bin/sh", "-c", shell];
  return new Command([process.execPath, "-e", script], { through, ...(stdin === undefined ? {} : { stdin }) });
}

async function outcomeOf(command: string[], options: Options = {}): Promise<{ stdout: string; outcome: unknown }> {
  await using run = starting(command, options);
  const { stdout, stderr }: Ended = await run.ended();
  const last = stderr.trim().split("\n").at(-1) ?? "";
  return { stdout, outcome: last.startsWith("{") ? JSON.parse(last) : stderr };
}

const outputOf = async (command: string[], options: Options = {}): Promise<string> => {
  const { stdout, outcome } = await outcomeOf(command, options);
  expect(outcome).toMatchObject({ exit: { kind: "status", status: 0 } });
  return stdout;
};

const environment = {
  PATH: "/usr/bin:/bin",
  EMPTY: "",
  WITH_EQUALS: "a=b=c",
  LINES: "one\ntwo\n",
  "with.dots-and-dashes": "kept",
  TÜR: "🚪",
  ["__proto__"]: "no prototype",
  "1": "one",
  // What shells know, and set or drop by themselves.
  ...Object.fromEntries(
    "_ BASH BASHOPTS BASHPID BASH_ARGV0 BASH_ENV COMP_WORDBREAKS EPOCHSECONDS EUID GROUPS HISTCMD IFS LINENO OLDPWD OPTERR OPTIND PPID PS1 PS4 PWD RANDOM SECONDS SHELLOPTS SHLVL SRANDOM UID"
      .split(" ")
      .map((name) => [name, "/no/such"]),
  ),
  BUN_OPTIONS: "--smol",
  NODE_OPTIONS: "--no-warnings",
  TZ: "Antarctica/Troll",
};
const entries = (record: Record<string, string>) => Object.entries(record).map(([name, value]) => `${name}=${value}`);

/** With no signal ignored, and with some: then the program is started in another way. */
const ways: [string, Options][] = [
  ["at its defaults", {}],
  ["with signals ignored", { shell: `trap '' HUP USR1; exec "$0" "$@"` }],
];

describe.each(ways)("a program %s", (_, way) => {
  test("gets the environment that it is given: all of it, and nothing else", async () => {
    const printed = await outputOf(["/usr/bin/env", "-0"], { ...way, environment });
    expect(printed.split("\0").slice(0, -1).sort()).toEqual(entries(environment).sort());
    expect(await outputOf(["/usr/bin/env", "-0"], { ...way, environment: {} })).toBe("");
  });

  test("gets its arguments as they are", async () => {
    const args = ["", " ", "a b", "--", "-n", "$HOME", "`id`", "'\"\\", "é🚪", "x=y", "two\nlines", "*"];
    const printed = await outputOf(["/usr/bin/printf", "%s\\0", ...args], way);
    expect(printed).toBe(args.map((arg) => `${arg}\0`).join(""));
  });

  test("may lie in a folder with = in its name", async () => {
    const path = join(folder, "a=b/server");
    expect(await outputOf([path, "echo", "x"], way)).toBe(`${path} echo x\n`);
  });

  test("is started although more descriptors are open than it may open itself", async () => {
    const before = `
      import { openSync } from "node:fs";
      for (let fd = 0; fd < ${openFiles + 100}; ) fd = openSync("/dev/null");`;
    const limit = Number(await outputOf(["sh", "-c", "ulimit -Sn"], { ...way, before }));
    expect(limit).toBeWithin(openFiles, openFiles + 200);
  });

  test("reads our stdin", async () => {
    expect(await outputOf(["cat"], { ...way, stdin: Buffer.from("from stdin") })).toBe("from stdin");
  });

  test("gets no descriptor of ours but stdin, stdout and stderr", async () => {
    const before = `
      import { openSync } from "node:fs";
      import { duplicate } from ${JSON.stringify(join(root, "system/sockets.ts"))};
      const socket = { data() {} };
      const tcp = Bun.listen({ hostname: "127.0.0.1", port: 0, socket });
      const unix = Bun.listen({ unix: ${JSON.stringify(join(folder, "held"))} + process.pid, socket });
      const client = await Bun.connect({ hostname: "127.0.0.1", port: tcp.port, socket });
      const file = openSync("/dev/null");
      const copies = [tcp.fd, client.fd, file].map(duplicate);
      const child = Bun.spawn(["sleep", "60"], { stdin: "pipe", stdout: "pipe" });
      process.on("exit", () => child.kill());`;
    // ls itself opens the folder that it lists.
    expect((await outputOf(["ls", "/dev/fd/"], { ...way, before })).trim().split("\n")).toEqual(["0", "1", "2", "3"]);
  });

  test("has a soft limit of 10,240 open files, or the hard limit if that is smaller", async () => {
    const limits = ["sh", "-c", "ulimit -Sn; ulimit -Hn"];
    const within = (limit: string) => ({ ...way, shell: `${limit}; ${way.shell ?? 'exec "$0" "$@"'}` });
    const [soft, hard] = (await outputOf(limits, way)).trim().split("\n").map(Number);
    expect(soft).toBe(Math.min(10_240, hard ?? 0));
    expect(await outputOf(limits, within("ulimit -n 300"))).toBe("300\n300\n");
    // What launchd sets: the hard limit is what counts.
    expect(await outputOf(limits, within("ulimit -Sn 256"))).toBe(`${soft}\n${hard}\n`);
  });

  test.each([
    ["/no/such/server", "there is no such file, or no interpreter for it; check the path"],
    ["/dev/null/server", "there is no such file, or no interpreter for it; check the path"],
    ["/", "it is a folder; name the program in it"],
    ["PLAIN", "permission denied; check that PLAIN may be executed by this user"],
    ["no-such-server", "it is not in PATH (PATH); write its whole path"],
  ])("that cannot be started is one sentence: %s", async (name, reason) => {
    const expand = (text: string) =>
      text.replace("(PATH)", `(${process.env.PATH})`).replace("PLAIN", join(folder, "plain"));
    const { stdout, outcome } = await outcomeOf([expand(name)], way);
    expect(outcome).toEqual({ UserError: `cannot start program \`${expand(name)}': ${expand(reason)}` });
    expect(stdout).toBe("");
  });

  test("exits, and nothing is sent to it any more", async () => {
    const { outcome } = await outcomeOf(["sh", "-c", "exit 3"], way);
    expect(outcome).toEqual({ name: "sh", running: false, exit: { kind: "status", status: 3 } });
  });

  test("is ended by a signal", async () => {
    const { outcome } = await outcomeOf(["sh", "-c", "kill -KILL $$"], way);
    expect(outcome).toMatchObject({ exit: { kind: "signal", signal: "SIGKILL" } });
  });
});

describe("a start that the system refuses", () => {
  test.each([
    ["nointerpreter", "there is no such file, or no interpreter for it; check the path"],
    ["noformat", "it is not a program; a script needs a first line like #!/bin/sh"],
  ])("%s is one sentence", async (name, reason) => {
    const path = join(folder, name);
    const { outcome } = await outcomeOf([path]);
    expect(outcome).toEqual({ UserError: `cannot start program \`${path}': ${reason}` });
  });
});

describe("signals", () => {
  /** Which signals a program finds blocked, and which ignored. */
  const setsOf = async (options: Options) => {
    const lines = (await outputOf([compile("signal-state")], options)).trim().split("\n");
    const set = (state: string) =>
      lines.flatMap((line) => (line.startsWith(`${state} `) ? line.slice(state.length + 1) : [])).sort();
    return { blocked: set("blocked"), ignored: set("ignored") };
  };
  const handled = `
    import { Signals } from ${JSON.stringify(join(root, "program/signals.ts"))};
    const signals = new Signals();`;

  test("are neither ignored nor blocked for the program, not even those that Bun ignores", async () => {
    expect(await setsOf({})).toEqual({ blocked: [], ignored: [] });
    expect(await setsOf({ before: handled })).toEqual({ blocked: [], ignored: [] });
  });

  test("that were ignored for us stay ignored for the program", async () => {
    const shell = `trap '' HUP INT QUIT USR1 USR2 TSTP TTIN TTOU; exec "$0" "$@"`;
    const ignored = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2"];
    for (const before of ["", handled]) expect(await setsOf({ shell, before })).toEqual({ blocked: [], ignored });
  });

  test("a background job of a shell ignores SIGINT and SIGQUIT", async () => {
    const ignored = ["SIGINT", "SIGQUIT"];
    expect(await setsOf({ shell: '"$0" "$@" & wait $!' })).toEqual({ blocked: [], ignored });
  });
});

test("argv[0] is the name as it was given, also of a program found through PATH", async () => {
  for (const name of ["sh", "/bin/sh", "/usr/../bin/sh"]) {
    expect(await outputOf([name, "-c", 'echo "$0"'])).toBe(`${name}\n`);
  }
});

describe("describeExit", () => {
  test("has Go's words, as the original's messages", () => {
    expect(describeExit({ kind: "status", status: 3 })).toBe("exit status 3");
    for (const [signal, words] of Object.entries({
      SIGKILL: "signal: killed",
      SIGTERM: "signal: terminated",
      SIGSEGV: "signal: segmentation fault",
      SIGHUP: "signal: hangup",
      SIGABRT: "signal: aborted",
    })) {
      expect(describeExit({ kind: "signal", signal })).toBe(words);
    }
    expect(describeExit({ kind: "signal", signal: "34" })).toBe("signal: 34");
  });
});
