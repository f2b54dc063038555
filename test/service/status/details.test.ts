import { expect, test } from "bun:test";
import { details } from "../../../src/service/status/details.ts";
import { localTime } from "../../../src/service/status/text.ts";
import { entry } from "./fixture.ts";

const now = Date.parse("2026-01-02T05:04:05.000Z");
const at = (iso: string) => localTime(iso);

test("all of a daemon that works", () => {
  expect(details(entry(), "3.0.0", now).split("\n")).toEqual([
    `com.example.web: running, since ${at("2026-01-02T03:04:05.000Z")} (2 h)`,
    "  daemon       process 4711, version 3.0.0",
    "  serves       127.0.0.1:80 by /tmp/web.sock",
    `  program      node web.js (process 4712, since ${at("2026-01-02T03:04:06.000Z")} (1 h 59`,
    "               min), 2 connections)",
    "  connections  2 now, of 100 at most; 7 in all",
    "  data         1.0 kB from clients, 2.0 MB to them",
  ]);
});

test("what clients wait for, what failed last, what is full and what is old", () => {
  const failing = entry(
    { name: null, lastEnd: "ended with status 1", log: "/var/log/web.log" },
    {
      programs: [],
      connections: { now: 100, waiting: 3, capacity: 100, atCapacity: true, total: 900 },
      waitingFor: "the program, which does not listen at /tmp/web.sock yet (ENOENT)",
      lastFailure: { at: "2026-01-02T04:00:00.000Z", reason: "error connecting to program" },
    },
  );
  expect(details(failing, "3.1.0", now).split("\n")).toEqual([
    `process 4711: running, since ${at("2026-01-02T03:04:05.000Z")} (2 h)`,
    "  daemon       process 4711, version 3.0.0 (3.1.0 is installed)",
    "  serves       127.0.0.1:80 by /tmp/web.sock",
    "  program      none",
    "  connections  100 now, of 100 at most; new ones wait in the kernel's queue; 900",
    "               in all",
    "  waiting      3, for the program, which does not listen at /tmp/web.sock yet",
    "               (ENOENT)",
    "  data         1.0 kB from clients, 2.0 MB to them",
    `  last failure ${at("2026-01-02T04:00:00.000Z")}: error connecting to program`,
    "  last run     ended with status 1",
    "  log          /var/log/web.log",
  ]);
});

test.each([
  ["starting", "a new copy of the program is starting"],
  ["draining", "process 4712 has taken over from 4700, which keeps 1 connection"],
  ["stopping", "process 4712 has taken over, and 4700 is being stopped"],
  ["done", "process 4712 has taken over from 4700; 2 connections cut"],
  ["failed", "failed: the new copy has ended (exit status 1)"],
] as const)("a reload that is %s", (phase, words) => {
  const reload = {
    ...{ phase, since: "2026-01-02T04:00:00.000Z", oldPid: 4700, newPid: 4712, log: [] },
    connections: { before: 3, left: 1, cut: 2 },
    problem: phase === "failed" ? "the new copy has ended (exit status 1)" : null,
  };
  const text = details(entry({}, { reload }), "3.0.0", now).replace(/\n {15}/g, " ");
  expect(text).toContain(`  last reload  ${at("2026-01-02T04:00:00.000Z")}: ${words}`);
});

test("why there is no account", () => {
  const silent = entry({
    name: null,
    state: "does not answer",
    works: false,
    ...{ addresses: [], program: null, status: null },
    problem: "process 4711 does not answer within 1 s; try again",
  });
  expect(details(silent, "3.0.0", now)).toBe(
    "process 4711: does not answer\n  no figures   process 4711 does not answer within 1 s; try again",
  );
});

test("what comes from outside neither makes lines nor steers the terminal", () => {
  const text = details(
    entry(
      { name: "a\nb" },
      {
        since: "never\x1b[2J\n",
        programs: [{ pid: 1, command: ["x\x1b[31m", "y\n"], since: "never", state: "running", connections: 0 }],
      },
    ),
    "3.0.0",
    now,
  );
  expect(text).toContain("a\\nb: running, since never\\u001b[2J\\n (");
  expect(text).not.toMatch(/[^\P{Cc}\n]/u);
});
