import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { Lingering } from "../../src/proxy/lingering.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** The second in which it is over, with a look in each, while `received` tells how many bytes had come by then. */
function over(received: (second: number) => number): number {
  const lingering = new Lingering(received(0));
  for (let second = 1; ; second++) {
    jest.advanceTimersByTime(1_000);
    if (lingering.isOver(performance.now(), received(second))) return second;
  }
}

test("it is over after five seconds of silence, at whatever count", () => {
  expect([over(() => 0), over(() => 123)]).toEqual([5, 5]);
});

test("every byte begins the silence anew", () => {
  expect(over((second) => Math.min(second, 7))).toBe(12);
});

test("it is over after thirty seconds, whatever comes", () => {
  expect(over((second) => second)).toBe(30);
});
