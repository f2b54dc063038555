import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { version } from "../package.json";
import { examples, help, parseCommandLine, usage } from "../src/cli.ts";
import { UserError } from "../src/errors.ts";
import { serviceFlags } from "../src/service/flags.ts";
import { options, readSettings } from "../src/settings/options.ts";
import { anyText, check } from "./support/property.ts";

const rows = Object.values<{ flag: string; variable?: string; value?: string; help: string }>(options);
const withValue = rows.filter(({ value }) => value !== undefined);
const switches = rows.filter(({ value }) => value === undefined);
const run = (program: string[] | null, flags = {}, unused: string[] = []) => ({
  kind: "run",
  settings: readSettings(flags, {}),
  program,
  unused,
});

describe("parseCommandLine", () => {
  test("no arguments ask for the usage line, whatever the environment holds", () => {
    expect(parseCommandLine([], { LAUNCH_PROGRAM_TCP_ADDRESS: "?" })).toEqual({ kind: "usage" });
  });

  test.each([
    [["server"], ["server"]],
    [
      ["/bin/server", "--help", "-x"],
      ["/bin/server", "--help", "-x"],
    ],
    [
      ["/bin/server", "--", "--version"],
      ["/bin/server", "--", "--version"],
    ],
    [
      ["server", "", "-", "--listen=:80"],
      ["server", "", "-", "--listen=:80"],
    ],
    [
      ["--", "--odd-name", "-x"],
      ["--odd-name", "-x"],
    ],
    [["--", "-x"], ["-x"]],
    [["-"], null],
    [["--", "-"], null],
  ])("%j runs %j", (args, program) => {
    expect(parseCommandLine(args, {})).toEqual(run(program) as never);
  });

  test("what stands after - means nothing, and is remembered", () => {
    expect(parseCommandLine(["-", "ignored", "too"], {})).toEqual(run(null, {}, ["ignored", "too"]) as never);
  });

  test("-h and -V are short for --help and --version", () => {
    expect(parseCommandLine(["-h", "server"], {})).toEqual({ kind: "help" });
    expect(parseCommandLine(["--listen", ":1", "-V"], {})).toEqual({ kind: "version" });
    expect(parseCommandLine(["server", "-h"], {})).toMatchObject({ program: ["server", "-h"] });
  });

  test.each([
    ["--lisen", "--listen"],
    ["--Listen=:1", "--listen"],
    ["--prot", "--port"],
    ["-log", "--log"],
    ["--print-plits", "--print-plist"],
    ["--hlep", "--help"],
  ])("%s was meant to be %s", (flag, meant) => {
    const sentence = `cannot use ${flag.replace(/=.*/, "")}: there is no such option; did you mean ${meant}?`;
    expect(() => parseCommandLine([flag, "server"], {})).toThrow(sentence);
  });

  test("options stand before the program, with their value behind = or as the next argument", () => {
    const expected = run(["server", "--tcp-address=:2"], { tcpAddress: [":1"], listen: ["/a=b", "[::1]:0"] });
    for (const args of [
      ["--tcp-address=:1", "--listen=/a=b", "--listen=[::1]:0", "server", "--tcp-address=:2"],
      ["--tcp-address", ":1", "--listen", "/a=b", "--listen", "[::1]:0", "--", "server", "--tcp-address=:2"],
    ]) {
      expect(parseCommandLine(args, {})).toEqual(expected as never);
    }
  });

  test.each(["--help", "--version"])("%s is answered before anything else is looked at", (flag) => {
    const kind = flag.slice(2);
    const environment = { LAUNCH_PROGRAM_TCP_ADDRESS: "?" };
    expect(parseCommandLine([flag], environment)).toEqual({ kind } as never);
    expect(parseCommandLine(["--listen", "?", flag, "--no-such-option"], environment)).toEqual({ kind } as never);
    expect(() => parseCommandLine([`${flag}=1`], {})).toThrow(`cannot use ${flag}=1: ${flag} takes no value`);
  });

  test.each(["--no-such-option", "--no-such-option=1", "-x", "--__proto__", "---"])("%s is refused", (flag) => {
    const name = flag.split("=")[0];
    expect(() => parseCommandLine([flag, "server"], {})).toThrow(
      `cannot use ${name}: there is no such option; see launch_socket_server --help`,
    );
  });

  test.each(withValue)("--$flag without its value is refused", ({ flag, value }) => {
    const sentence = `cannot use --${flag}: its value is missing; write --${flag} ${value}`;
    for (const rest of [[], ["--"], ["--", "server"], ["--listen", ":1"], ["--help"], ["--pass-sockets"]]) {
      expect(() => parseCommandLine([`--${flag}`, ...rest], {})).toThrow(sentence);
    }
    expect(() => parseCommandLine([`--${flag}=`, "server"], {})).toThrow(`cannot use "" for --${flag}: `);
  });

  test.each(switches)("--$flag takes no value", ({ flag }) => {
    const needed = { LAUNCH_DAEMON_EXIT_IDLE_TIME: flag === "exit-idle-at-rest" ? "10m" : "" };
    expect(parseCommandLine([`--${flag}`, "server"], needed)).toMatchObject({ program: ["server"] });
    expect(() => parseCommandLine([`--${flag}=1`, "server"], {})).toThrow(
      `cannot use --${flag}=1: --${flag} takes no value`,
    );
  });

  test("options without a program are refused, and so is a program without a name", () => {
    for (const args of [["--listen", ":1"], ["--"], ["--listen=:1", "--"]]) {
      expect(() => parseCommandLine(args, {})).toThrow("cannot start: the program is missing");
    }
    expect(() => parseCommandLine([""], {})).toThrow("cannot start: the program's name is empty");
  });

  test("the environment is read", () => {
    const command = parseCommandLine(["server"], { LAUNCH_PROGRAM_TCP_ADDRESS: ":7" });
    expect(command).toMatchObject({ settings: { tcpAddress: { port: 7 } } });
  });

  test("everything behind the program is the program's, whatever it is", () => {
    const before = fc.subarray([["--listen=:1"], ["--log-level", "debug"], ["--pass-sockets"]]);
    check(
      fc.property(before, fc.boolean(), fc.array(anyText), (before, dashes, rest) => {
        const args = [...before.flat(), ...(dashes ? ["--"] : []), "server", ...rest];
        expect(parseCommandLine(args, {})).toMatchObject({ kind: "run", program: ["server", ...rest] });
      }),
    );
  });

  test("any arguments: a command, or a UserError", () => {
    const flag = fc.constantFrom("--", "-", "--help", "--version", ...rows.map(({ flag }) => `--${flag}`));
    const argument = fc.oneof(
      flag,
      anyText,
      fc.tuple(flag, anyText).map(([flag, text]) => `${flag}=${text}`),
    );
    check(
      fc.property(fc.array(argument), fc.dictionary(anyText, anyText), (args, environment) => {
        try {
          const command = parseCommandLine(args, environment);
          expect(["usage", "help", "version", "run"]).toContain(command.kind);
          if (command.kind === "run" && command.program) expect(command.program[0]).not.toBe("");
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
      1_000,
    );
  });
});

describe("usage", () => {
  test("is the original's line", () => {
    expect(usage("/usr/local/sbin/launch_socket_server")).toBe(
      "usage: /usr/local/sbin/launch_socket_server <program> [<arg> ...]",
    );
  });
});

describe("help", () => {
  // These tests may run on a terminal, which gets colours.
  const { NO_COLOR } = process.env;
  beforeAll(() => {
    process.env.NO_COLOR = "1";
  });
  afterAll(() => {
    if (NO_COLOR === undefined) delete process.env.NO_COLOR;
    else process.env.NO_COLOR = NO_COLOR;
  });

  test("fits into 80 columns, without control characters or trailing blanks", async () => {
    for (const line of (await help()).split("\n")) {
      expect(line.length).toBeLessThanOrEqual(80);
      expect(line).toMatch(/^$|^[\x20-\x7e]*[\x21-\x7e]$/);
    }
  });

  test("has every flag with its value, its sentence and its variable", async () => {
    const words = (await help()).split(/\s+/).join(" ");
    for (const { flag, value, help, variable } of rows) {
      expect(words).toContain(` --${flag}${value ? `=<${value}>` : ""} `);
      expect(words).toContain(help);
      if (variable !== undefined) expect(words).toContain(` ${variable} `.trimEnd());
    }
    expect(words).toContain(version);
    for (const flag of ["--help", "--version"]) expect(words).toContain(` ${flag} `);
  });

  test("groups the flags as the tables do, after the examples", async () => {
    const text = await help();
    const headings = ["USAGE ", "EXAMPLES", "RUN", "SETTINGS", "SERVICES"];
    const places = headings.map((heading) => text.indexOf(`\n${heading}`));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places).not.toContain(-1);
    const at = (flag: string) => text.search(new RegExp(`^ +--${flag}(?![\\w-])`, "m"));
    const [, , run = 0, settings = 0, services = 0] = places;
    for (const flag of ["help", "version"]) expect(at(flag)).toBeWithin(run, settings);
    for (const { flag } of rows) expect(at(flag)).toBeWithin(settings, services);
    for (const { flag } of Object.values(serviceFlags)) expect(at(flag)).toBeGreaterThan(services);
    expect(text).toContain("<PROGRAM> [ARG...]");
  });

  test("has three examples, which are command lines of this program", async () => {
    expect(examples).toHaveLength(3);
    for (const [command] of examples) {
      expect(await help()).toContain(`\n  ${command}\n`);
      const words = command.split(" ");
      expect(words.splice(0, words.indexOf("launch_socket_server") + 1).slice(0, -1)).toBeOneOf([[], ["sudo"]]);
      expect(["run", "install", "status"]).toContain(parseCommandLine(words, {}).kind);
    }
  });
});
