import { expect, test } from "bun:test";
import { FailureLog } from "../../src/control/failures.ts";

test("every line goes on, and the last error or warning is kept with its time", () => {
  const lines: [string, unknown][] = [];
  const line = (level: string) => (text: unknown) => void lines.push([level, text]);
  const log = new FailureLog({ error: line("error"), warn: line("warn"), info: line("info"), debug: line("debug") });
  expect(log.last).toBeNull();
  log.info("well");
  log.debug("detail");
  expect(log.last).toBeNull();
  log.error("broken");
  expect(log.last?.reason).toBe("broken");
  const before = Date.now();
  log.warn("slow");
  log.info("well again");
  expect(log.last?.reason).toBe("slow");
  expect(log.last?.at.getTime()).toBeWithin(before, Date.now() + 1);
  expect(lines).toEqual([
    ["info", "well"],
    ["debug", "detail"],
    ["error", "broken"],
    ["warn", "slow"],
    ["info", "well again"],
  ]);
});
