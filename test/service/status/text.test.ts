import { describe, expect, test } from "bun:test";
import { bytes, columns, duration, fit, fold, localTime, pad } from "../../../src/service/status/text.ts";

describe("fit", () => {
  test("leaves alone what fits, and takes out the middle of what does not", () => {
    expect(fit("/srv/web", 8)).toBe("/srv/web");
    expect(fit("/srv/a-long-name", 9)).toBe("/srv…name");
    expect(fit("/srv/a-long-name", 8)).toBe("/srv…ame");
    expect(fit("abc", 1)).toBe("…");
  });

  test("counts what a terminal shows, and never cuts a character in two", () => {
    for (const text of ["日本語のとても長い名前", "🚪🚪🚪🚪🚪🚪🚪🚪", "ééééééééééééééé", "👩‍👩‍👧‍👦".repeat(6)]) {
      for (let most = 2; most < 12; most++) {
        const short = fit(text, most);
        expect(columns(short)).toBeLessThanOrEqual(most);
        expect(short.isWellFormed()).toBe(true);
        const [head = "", tail = ""] = short.split("…");
        expect([text.startsWith(head), text.endsWith(tail)]).toEqual([true, true]);
      }
    }
  });

  test("keeps a name from steering the terminal", () => {
    expect(fit("a\x1b[31mb\nc\x9bd", 80)).toBe("a\\u001b[31mb\\nc\\u009bd");
  });
});

test("pad fills up columns, not letters", () => {
  expect([pad("ab", 4), pad("日", 4), pad("abcde", 4)]).toEqual(["ab  ", "日  ", "abcde"]);
});

test("fold breaks lines between words, within 80 columns less the indent", () => {
  const text = "word ".repeat(40).trim();
  const lines = fold(text, 15).split("\n");
  expect(lines.length).toBe(4);
  expect(lines.every((line, index) => (index === 0 ? line.length <= 65 : /^ {15}word( word)*$/.test(line)))).toBe(true);
  expect(lines.every((line) => line.length <= 80)).toBe(true);
  const path = `/${"x".repeat(90)}`;
  expect(fold(`see ${path} there`, 10).split("\n")).toEqual(["see", `          ${path}`, "          there"]);
});

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [1_000, "1.0 kB"],
  [9_949, "9.9 kB"],
  [9_951, "10 kB"],
  [999_499, "999 kB"],
  [999_500, "1.0 MB"],
  [1_234_567_890, "1.2 GB"],
  [Number.MAX_SAFE_INTEGER, "9.0 PB"],
])("%p bytes are %s", (number, text) => expect(bytes(number)).toBe(text));

test.each([
  [-5_000, "0 s"],
  [999, "0 s"],
  [59_999, "59 s"],
  [60_000, "1 min"],
  [200_000, "3 min 20 s"],
  [3_600_000, "1 h"],
  [3_725_000, "1 h 2 min"],
  [86_400_000 * 3 + 60_000, "3 d"],
  [86_400_000 * 400 + 7_200_000, "400 d 2 h"],
])("%p ms are %s", (milliseconds, text) => expect(duration(milliseconds)).toBe(text));

test("a time is shown on this machine's clock, and what is none as it is", () => {
  const time = new Date(2026, 0, 2, 3, 4, 5);
  expect(localTime(time.toISOString())).toBe("2026-01-02 03:04:05");
  expect(localTime("yesterday")).toBe("yesterday");
});
