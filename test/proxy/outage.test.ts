import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import type { Log } from "../../src/log.ts";
import { Outage } from "../../src/proxy/outage.ts";

const lines: string[] = [];
const line = (text: string) => lines.push(text);
const log = { error: line, warn: line, info: line, debug: line } as unknown as Log;

beforeEach(() => {
  lines.length = 0;
  jest.useFakeTimers();
});

afterEach(() => void jest.useRealTimers());

function outage(): Outage {
  return new Outage({ kind: "unix", path: "/tmp/web.sock" }, log);
}

test("a short one is not worth a line", () => {
  const short = outage();
  short.holdsUp({});
  jest.advanceTimersByTime(999);
  short.reason = "ENOENT";
  short.tell();
  short.end();
  expect(lines).toEqual([]);
});

test("a longer one is warned of once, and its end told with the number of clients", () => {
  const long = outage();
  const client = {};
  for (const each of [{}, client, client]) long.holdsUp(each);
  jest.advanceTimersByTime(1_000);
  long.reason = "ENOENT";
  long.tell();
  long.tell();
  jest.advanceTimersByTime(1_500);
  long.end();
  expect(lines).toEqual([
    "the program does not listen at /tmp/web.sock yet (ENOENT); clients wait for it",
    "the program accepts connections at /tmp/web.sock after 2.5 s; 2 waited for it",
  ]);
});
