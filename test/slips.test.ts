import { describe, expect, test } from "bun:test";
import { misspeltVariables, slipsIn } from "../src/slips.ts";

describe("slipsIn", () => {
  test.each([
    [["node", "--listen", ":80"], ["--listen stands after the program; put it before node"]],
    [
      ["--log-level", "debug", "node", "a.mjs", "--listen=:80"],
      ["--listen stands after the program; put it before node"],
    ],
    [["node", "--port", "80"], []],
    [["--print-plist", "a", "node", "--port", "80"], ["--port stands after the program; put it before node"]],
    [["node", "-x", "--unknown"], []],
    [["install", "com.example.web"], ["install is taken for the program; did you mean --install?"]],
    [["help"], ["help is taken for the program; did you mean --help?"]],
    [["status"], ["status is taken for the program; did you mean --status?"]],
    [["restart", "com.example.web"], ["restart is taken for the program; did you mean --restart?"]],
    [["/usr/bin/install"], []],
    [["constructor"], []],
    [["--no-such-option", "install"], []],
    [["--check-plist", "a", "--json"], []],
    [[], []],
  ])("%j", (args, sentences) => {
    expect(slipsIn(args)).toEqual(sentences);
  });
});

test("misspeltVariables are within two edits of a setting", () => {
  const environment = {
    LAUNCH_DAEMON_IDLE_TIMOUT: "1s",
    LAUNCH_PROGRAM_TCP_ADRES: ":1",
    LAUNCH_PROGRAM_SOCKET_PATH_HTTP: "/tmp/a",
    LAUNCH_DAEMON_COLOUR: "red",
    LAUNCH_DARKLY_KEY: "x",
    LAUNCH_DAEMON_LOG_LEVEL: "info",
    AUNCH_DAEMON_LOG_LEVEL: "info",
  };
  expect(misspeltVariables(environment)).toEqual([
    "LAUNCH_DAEMON_IDLE_TIMOUT is not a setting and has no effect; did you mean LAUNCH_DAEMON_IDLE_TIMEOUT?",
    "LAUNCH_PROGRAM_TCP_ADRES is not a setting and has no effect; did you mean LAUNCH_PROGRAM_TCP_ADDRESS?",
  ]);
});
