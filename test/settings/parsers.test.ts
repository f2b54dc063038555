import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { UserError } from "../../src/errors.ts";
import {
  formatDuration,
  parseCount,
  parseDuration,
  parseLogLevel,
  parseName,
  parseProxyProtocol,
  parseRoute,
  parseSwitch,
} from "../../src/settings/parsers.ts";
import { anyText, check } from "../support/property.ts";

const hour = 3_600_000;

test("formatDuration writes the largest unit that leaves a whole number, and what it writes is read as the same", () => {
  const texts = ["1ms", "1500ms", "1s", "90s", "10m", "90m", "576h"];
  expect(texts.map((text) => formatDuration(parseDuration(text)))).toEqual(texts);
  expect(["1000ms", "60s", "120m"].map((text) => formatDuration(parseDuration(text)))).toEqual(["1s", "1m", "2h"]);
});

describe("parseDuration", () => {
  test.each([
    ["1ms", 1],
    ["500ms", 500],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", hour],
    ["007s", 7_000],
    ["576h", 576 * hour],
    ["0", Number.POSITIVE_INFINITY],
    ["000", Number.POSITIVE_INFINITY],
    ["0s", Number.POSITIVE_INFINITY],
    ["0ms", Number.POSITIVE_INFINITY],
  ])("%s is %d milliseconds", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  const forms = [
    "",
    "5",
    "s",
    "-1s",
    "+1s",
    "1.5s",
    "1e3s",
    "1 s",
    " 1s",
    "1s ",
    "1S",
    "1sec",
    "1d",
    "1s\n",
    "0x0",
    "٣s",
  ];
  test.each(forms)("%j is no duration", (text) => {
    expect(() => parseDuration(text)).toThrow(
      "it is not a duration; write one like 500ms, 30s, 5m or 1h, or 0 for never",
    );
  });

  test.each(["577h", "34561m", `${"9".repeat(400)}h`])("%.10s… is longer than a timer holds", (text) => {
    expect(() => parseDuration(text)).toThrow("it is longer than 24 days; write a shorter one, or 0 for never");
  });

  test("what is written is read", () => {
    const units = { ms: 1, s: 1_000, m: 60_000, h: hour };
    const unit = fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[]));
    check(
      fc.property(fc.integer({ min: 1, max: 576 }), unit, (count, unit) => {
        expect(parseDuration(`${count}${unit}`)).toBe(count * units[unit]);
      }),
    );
  });
});

describe("parseCount", () => {
  test.each([
    ["1", 1],
    ["0256", 256],
    ["1000000", 1_000_000],
  ])("%s is %d connections", (text, count) => {
    expect(parseCount(text)).toBe(count);
  });

  test.each(["", "0", "-1", "1.5", "1e3", "0x10", "1000001", "many", " 1"])("%j is none", (text) => {
    expect(() => parseCount(text)).toThrow("it is not a number of connections; write one from 1 to 1000000");
  });
});

describe("parseRoute", () => {
  const tcp = (host: string, port: number) => ({ kind: "tcp" as const, host, port });
  test.each([
    ["Web=127.0.0.1:8000", { name: "Web", target: tcp("127.0.0.1", 8000) }],
    ["Web=:8000", { name: "Web", target: tcp("", 8000) }],
    ["Web=[::1]:8000", { name: "Web", target: tcp("::1", 8000) }],
    ["my web=/tmp/a=b", { name: "my web", target: { kind: "unix" as const, path: "/tmp/a=b" } }],
    ["Web_2=", { name: "Web_2", target: null }],
  ])("%s", (text, route) => {
    expect(parseRoute(text)).toEqual(route);
  });

  test.each([
    ["", "it is not a route; write NAME=HOST:PORT, NAME=/path or NAME="],
    ["Web", "it is not a route"],
    ["=:8000", "it is not a route"],
    ["Web=8000", "it is only a port; write :8000 for this machine"],
    ["Web=l.sock", "the path of a Unix socket has a slash; write ./l.sock"],
    ["Web=:0", 'the port "0" is not between 1 and 65535'],
    ["my-web=", "a generated path needs a name of letters, digits and _; rename the socket or write a target"],
    ["A\0=:80", "it is not a name"],
  ])("%j is refused", (text, reason) => {
    expect(() => parseRoute(text)).toThrow(reason);
  });
});

describe("words", () => {
  test("switches are 1 or 0", () => {
    expect([parseSwitch("1"), parseSwitch("0")]).toEqual([true, false]);
    for (const text of ["", "yes", "true", "01", "1 "])
      expect(() => parseSwitch(text)).toThrow("it is neither 1 nor 0");
  });

  test("the PROXY protocol has two versions", () => {
    expect([parseProxyProtocol("v1"), parseProxyProtocol("v2")]).toEqual(["v1", "v2"]);
    for (const text of ["", "1", "V1", "v3"]) expect(() => parseProxyProtocol(text)).toThrow("write v1 or v2");
  });

  test("levels", () => {
    for (const level of ["error", "warn", "info", "debug"] as const) expect(parseLogLevel(level)).toBe(level);
    for (const text of ["", "Info", "trace", "__proto__", "0"]) {
      expect(() => parseLogLevel(text)).toThrow("it is not a level; write one of error, warn, info, debug");
    }
  });

  test("a name is anything that a C string can be", () => {
    expect(parseName("Tür 🚪")).toBe("Tür 🚪");
    for (const text of ["", "a\0b"]) expect(() => parseName(text)).toThrow("write the socket's key in the plist");
  });
});

describe("any text", () => {
  const isText = (value: unknown) => typeof value === "string" && value !== "" && !value.includes("\0");
  const parsers: [string, (text: string) => unknown, (value: never) => boolean][] = [
    [
      "parseDuration",
      parseDuration,
      (value: number) => value === Number.POSITIVE_INFINITY || (value > 0 && value <= 576 * hour),
    ],
    ["parseCount", parseCount, (value: number) => Number.isInteger(value) && value >= 1 && value <= 1_000_000],
    ["parseSwitch", parseSwitch, (value: boolean) => typeof value === "boolean"],
    ["parseProxyProtocol", parseProxyProtocol, (value: string) => ["v1", "v2"].includes(value)],
    ["parseLogLevel", parseLogLevel, (value: string) => ["error", "warn", "info", "debug"].includes(value)],
    ["parseName", parseName, isText],
    ["parseRoute", parseRoute, ({ name }: { name: string }) => isText(name)],
  ];
  test.each(parsers)("%s answers with a valid value or a UserError", (_, parse, isValid) => {
    check(
      fc.property(anyText, (text) => {
        let value: unknown;
        try {
          value = parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
          return;
        }
        expect(isValid(value as never)).toBe(true);
      }),
      1_000,
    );
  });
});
