import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { poll } from "../../src/proxy/poll.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test("what is done already is told at once", () => {
  let told = 0;
  poll(
    () => true,
    () => told++,
  );
  expect([told, jest.getTimerCount()]).toEqual([1, 0]);
});

test("the intervals grow to 250 ms, and it is told once", () => {
  const asked: number[] = [];
  let told = 0;
  const start = performance.now();
  poll(
    (now) => asked.push(Math.round(now - start)) === 11,
    () => told++,
  );
  jest.advanceTimersByTime(5_000);
  expect(asked).toEqual([0, 2, 6, 14, 30, 62, 126, 254, 504, 754, 1_004]);
  expect([told, jest.getTimerCount()]).toEqual([1, 0]);
});

test("it can be taken back", () => {
  const cancel = poll(
    () => false,
    () => expect.unreachable(),
  );
  jest.advanceTimersByTime(100);
  cancel();
  expect(jest.getTimerCount()).toBe(0);
});
