import { expect, test } from "bun:test";
import { endInWords, explainEnd } from "../../../src/service/launchd/last-end.ts";
import { readState } from "../../../src/service/launchd/launchctl.ts";
import { exitStatusOf, stateOf } from "../../../src/service/launchd/state.ts";
import * as printed from "./printed-services.ts";

/** A print of these lines. */
const state = (...lines: string[]) => readState(lines.map((line) => `\t${line}\n`).join(""));
const crashing = ["runs = 40", "last exit code = 1", "minimum runtime = 10"];

test.each([
  [null, false, null, "not loaded", 3],
  [null, true, null, "disabled", 3],
  [readState(printed.daemon), false, null, "waiting for a connection", 0],
  [readState(printed.agent), false, 3, "running", 0],
  // Loaded before it was disabled.
  [readState(printed.agent), true, 3, "running", 0],
  [readState(printed.submitted), false, null, "keeps failing", 3],
  [readState(printed.refused), false, null, "keeps failing", 3],
  [state("state = spawn scheduled", ...crashing), false, null, "keeps failing", 3],
  [state("state = spawn scheduled", "runs = 1162", "last exit code = 0"), false, null, "starting", 3],
  [state("state = spawn scheduled", "runs = 0", "last exit code = (never exited)"), false, null, "starting", 3],
  // What crashes some time after its start is mostly found running.
  [state("state = running", "pid = 7", ...crashing), false, 4, "keeps failing", 3],
  [state("state = running", "pid = 7", ...crashing), false, 11, "running", 0],
  [state("state = running", "pid = 7", ...crashing), false, null, "running", 0],
  [state("state = running", "pid = 7", "runs = 2", "last terminating signal = Terminated: 15"), false, 1, "running", 0],
  [
    state("state = running", "pid = 7", "runs = 2", "last terminating signal = Killed: 9"),
    false,
    1,
    "keeps failing",
    3,
  ],
  [state("state = SIGTERMed", "pid = 7"), false, 100, "stopping", 3],
  // On demand, and the last run failed: the next connection starts it all the same.
  [state("state = not running", "runs = 1", "last exit code = 1"), false, null, "waiting for a connection", 0],
  [state("state = not running", "job state = spawn failed", "runs = 6"), false, null, "keeps failing", 3],
] as const)("%#: says how a service fares", (loaded, disabled, uptime, words, status) => {
  expect(stateOf(loaded, disabled, uptime)).toBe(words);
  expect(exitStatusOf(words)).toBe(status);
});

test.each([
  ["last exit code = (never exited)", "has not ended yet", null],
  ["last exit code = 0", "ended normally", null],
  ["last exit code = 1", "ended with status 1", "it ended with status 1"],
  ["last exit code = 78: EX_CONFIG", "could not be started", "launchd could not start it (78: EX_CONFIG)"],
  ["last terminating signal = Terminated: 15", "was asked to end (SIGTERM)", null],
  ["last terminating signal = Killed: 9", "was killed (SIGKILL)", "it was killed (SIGKILL)"],
  [
    "last terminating signal = Segmentation fault: 11",
    "crashed (Segmentation fault: 11)",
    "it crashed (Segmentation fault: 11)",
  ],
  [
    "last exit reason = OS_REASON_CODESIGNING",
    "was ended by macOS (OS_REASON_CODESIGNING)",
    "macOS ended it (OS_REASON_CODESIGNING): its code signature is not valid",
  ],
  [
    "last exit reason = JETSAM_REASON_MEMORY_IDLE_EXIT",
    "was ended by macOS (JETSAM_REASON_MEMORY_IDLE_EXIT)",
    "macOS ended it (JETSAM_REASON_MEMORY_IDLE_EXIT): memory was short",
  ],
])("%s: says how the last run ended", (line, short, long) => {
  const { exit } = state(line);
  expect(endInWords(exit)).toBe(short);
  const explained = explainEnd(exit);
  if (long === null) expect(explained).toBeNull();
  else expect(explained).toStartWith(long);
});
