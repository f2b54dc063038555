import { expect, test } from "bun:test";
import fc from "fast-check";
import { table } from "../../../src/service/status/table.ts";
import { columns } from "../../../src/service/status/text.ts";
import { anyText, check } from "../../support/property.ts";
import { entry } from "./fixture.ts";

test("a line for each, and what there is no column for below it", () => {
  const waiting = {
    programs: [],
    connections: { now: 100, waiting: 3, capacity: 100, atCapacity: true, total: 900 },
    addresses: [
      { listen: "127.0.0.1:80", target: "/tmp/web.sock" },
      { listen: "[::1]:80", target: "/tmp/web.sock" },
    ],
    waitingFor: "the program, which does not listen at /tmp/web.sock yet (ENOENT)",
  };
  const entries = [
    entry(),
    entry({ name: null }, waiting),
    entry({
      name: "com.example.api",
      state: "keeps failing",
      works: false,
      pid: null,
      status: null,
      program: ["/opt/api/server"],
      lastEnd: "ended with status 3",
      log: "/Library/Logs/com.example.api.log",
    }),
  ];
  expect(table(entries, false).split("\n")).toEqual([
    "SERVICE          STATE           PID  CONNECTIONS            ADDRESSES",
    "com.example.web  running        4711  2                      127.0.0.1:80",
    "    node web.js (4712)",
    "(no service)     running        4711  100 (3 waiting, full)  127.0.0.1:80, +1",
    "    clients wait for the program, which does not listen at /tmp/web.sock yet",
    "    (ENOENT)",
    "com.example.api  keeps failing     -  -                      127.0.0.1:80",
    "    /opt/api/server; last run ended with status 3; log",
    "    /Library/Logs/com.example.api.log",
  ]);
});

test("in colours only where they are wanted", () => {
  const works = table([entry()], true);
  expect(works).toContain("\x1b[32mrunning\x1b[0m");
  expect(table([entry({ works: false, state: "does not answer" })], true)).toContain("\x1b[31mdoes not answer\x1b[0m");
  expect(Bun.stripANSI(works)).toBe(table([entry()], false));
});

test("no line is wider than 80 columns, whatever the names are, and none holds a control character", () => {
  const long = fc.oneof(anyText, fc.string({ minLength: 100, maxLength: 300 }));
  const entries = fc.array(
    fc.record({
      name: fc.option(long),
      state: long,
      pid: fc.option(fc.nat()),
      program: fc.option(fc.array(long)),
      lastEnd: fc.option(long),
      log: fc.option(long),
      problem: fc.option(long),
      addresses: fc.array(long, { maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 4 },
  );
  check(
    fc.property(entries, (given) => {
      const lines = table(
        given.map((differing) => entry(differing)),
        false,
      ).split("\n");
      for (const line of lines) {
        expect(columns(line)).toBeLessThanOrEqual(80);
        expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      }
    }),
  );
});
