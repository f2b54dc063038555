import { describe, expect, test } from "bun:test";
import { readCommandLine, refuseMissingTargets, splitCommandLine } from "../../src/settings/command-line.ts";
import { readSettings } from "../../src/settings/options.ts";

const table = {
  port: { flag: "port", value: "number", help: "" },
  quick: { flag: "quick", help: "" },
  end: { flag: "end", last: true, help: "" },
  one: { flag: "one", value: "name", optional: true, help: "" },
} as const;

describe("splitCommandLine", () => {
  test("takes flags up to the program, which keeps all that is behind it", () => {
    const split = splitCommandLine(["--port", "1", "--port=2", "--quick", "server", "--port", "3"], table);
    expect(split).toEqual({ flags: { port: ["1", "2"], quick: ["1"] }, rest: ["server", "--port", "3"] });
  });

  test("ends at --, and at a lone -", () => {
    expect(splitCommandLine(["--", "--port"], table)).toEqual({ flags: {}, rest: ["--port"] });
    expect(splitCommandLine(["-", "--port"], table)).toEqual({ flags: {}, rest: ["-", "--port"] });
    expect(splitCommandLine(["--", "--", "x"], table)).toEqual({ flags: {}, rest: ["--", "x"] });
  });

  test("reads nothing behind a flag that is the last", () => {
    expect(splitCommandLine(["--end", "--nonsense"], table)).toEqual({ flags: { end: ["1"] }, rest: [] });
  });

  test("a value that may be left out is the next word, unless that begins with -, and the empty text otherwise", () => {
    expect(splitCommandLine(["--one", "web", "server"], table)).toEqual({ flags: { one: ["web"] }, rest: ["server"] });
    expect(splitCommandLine(["--one=web", "server"], table)).toEqual({ flags: { one: ["web"] }, rest: ["server"] });
    expect(splitCommandLine(["--one=-web"], table)).toEqual({ flags: { one: ["-web"] }, rest: [] });
    expect(splitCommandLine(["--one"], table)).toEqual({ flags: { one: [""] }, rest: [] });
    expect(splitCommandLine(["--one", "--quick"], table)).toEqual({ flags: { one: [""], quick: ["1"] }, rest: [] });
    expect(splitCommandLine(["--one", "-"], table)).toEqual({ flags: { one: [""] }, rest: ["-"] });
    expect(splitCommandLine(["--one", "--", "x"], table)).toEqual({ flags: { one: [""] }, rest: ["x"] });
  });

  test.each([
    [["--prot", "1"], "cannot use --prot: there is no such option; did you mean --port?"],
    [["-p", "1"], "cannot use -p: there is no such option; see launch_socket_server --help"],
    [["--port"], "cannot use --port: its value is missing; write --port number"],
    [["--port", "--quick"], "cannot use --port: its value is missing; write --port number"],
    [["--port", "--quick"], "write --port number, and --quick before or after both"],
    [["--port", "--"], "cannot use --port: its value is missing; write --port number"],
    [["--quick=1"], "cannot use --quick=1: --quick takes no value"],
  ])("refuses %j", (args, sentence) => {
    expect(() => splitCommandLine(args, table)).toThrow(sentence);
  });
});

describe("readCommandLine", () => {
  test("gives settings and program, null for -", () => {
    const target = { LAUNCH_PROGRAM_TCP_ADDRESS: ":8000" };
    expect(readCommandLine({ flags: {}, rest: ["server", "-x"] }, {}).program).toEqual(["server", "-x"]);
    expect(readCommandLine({ flags: {}, rest: ["-"] }, target)).toMatchObject({
      program: null,
      settings: { tcpAddress: { kind: "tcp", host: "", port: 8000 } },
    });
  });

  test.each([
    [[], {}, "cannot start: the program is missing"],
    [[""], {}, "cannot start: the program's name is empty"],
    [["server"], { LAUNCH_DAEMON_EXIT_IDLE_AT_REST: "1" }, "cannot use --exit-idle-at-rest alone"],
    [
      ["server"],
      { LAUNCH_DAEMON_EXIT_IDLE_AT_REST: "1", LAUNCH_DAEMON_EXIT_IDLE_TIME: "0" },
      "cannot use --exit-idle-at-rest alone",
    ],
  ])("refuses %j with %j", (rest: string[], environment: Record<string, string>, sentence) => {
    expect(() => readCommandLine({ flags: {}, rest }, environment)).toThrow(sentence);
  });
});

test("connections may be at rest for an idle time, and 0 asks for nothing", () => {
  const idle = { LAUNCH_DAEMON_EXIT_IDLE_AT_REST: "1", LAUNCH_DAEMON_EXIT_IDLE_TIME: "10m" };
  expect(readCommandLine({ flags: {}, rest: ["server"] }, idle).settings.exitIdleAtRest).toBe(true);
  const off = { LAUNCH_DAEMON_EXIT_IDLE_AT_REST: "0" };
  expect(readCommandLine({ flags: {}, rest: ["server"] }, off).settings.exitIdleAtRest).toBe(false);
});

describe("refuseMissingTargets", () => {
  test.each([
    [{}, "please set LAUNCH_PROGRAM_TCP_ADDRESS or LAUNCH_PROGRAM_SOCKET_PATH"],
    [{ LAUNCH_PROGRAM_PASS_SOCKETS: "1" }, "there is no program to pass them to"],
    [{ LAUNCH_DAEMON_ROUTES: "HTTP=" }, "there is no program to tell a generated path"],
  ])("refuses %j for -, and for it alone", (environment: Record<string, string>, sentence) => {
    expect(() => refuseMissingTargets(null, readSettings({}, environment))).toThrow(sentence);
    refuseMissingTargets(["server"], readSettings({}, environment));
  });
});
