import { expect, test } from "bun:test";
import { readElapsed, uptimeOf } from "../../../src/service/launchd/uptime.ts";

test.each([
  ["   00:07\n", 7],
  ["12:34", 754],
  ["01:00:00", 3_600],
  ["3-02:01:00", 266_460],
  ["", null],
  ["ELAPSED", null],
])("reads %j", (text, seconds) => {
  expect(readElapsed(text)).toBe(seconds);
});

test("knows how long this process has run", async () => {
  const uptime = (await uptimeOf(process.pid)) ?? -1;
  expect(Math.abs(uptime - process.uptime())).toBeLessThan(30);
  // Above the greatest pid of both systems.
  expect(await uptimeOf(99_999_999)).toBeNull();
});
