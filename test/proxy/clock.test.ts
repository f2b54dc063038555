import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { Clock, type TimeEvent } from "../../src/proxy/clock.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const never = Number.POSITIVE_INFINITY;

/** An event that asks for each of `delays` in turn; `at` has the times of its calls. */
function event(...delays: number[]): TimeEvent & { at: number[] } {
  const start = performance.now();
  const at: number[] = [];
  const tick = (now: number) => {
    at.push(now - start);
    return delays.shift() ?? never;
  };
  return { appointment: null, at, tick };
}

test("an event is called when it is due, and again as it says", () => {
  const clock = new Clock();
  const one = event(20, never);
  clock.schedule(one, 10);
  jest.advanceTimersByTime(9);
  expect(one.at).toEqual([]);
  jest.advanceTimersByTime(100);
  expect(one.at).toHaveLength(2);
  expect(one.at[0]).toBeWithin(10, 13);
  expect(one.at[1]).toBeWithin(30, 36);
  expect([one.appointment, jest.getTimerCount()]).toEqual([null, 0]);
});

test("the sooner of two wishes counts, and never is no wish", () => {
  const clock = new Clock();
  const [earlier, later] = [event(), event()];
  clock.schedule(earlier, never);
  expect(jest.getTimerCount()).toBe(0);
  clock.schedule(earlier, 1_000);
  clock.schedule(earlier, 100);
  clock.schedule(later, 100);
  clock.schedule(later, 1_000);
  jest.advanceTimersByTime(102);
  expect([earlier.at.length, later.at.length]).toEqual([1, 1]);
  jest.advanceTimersByTime(2_000);
  expect([earlier.at.length, later.at.length]).toEqual([1, 1]);
});

test("long delays share a wake-up, and none is longer than it was asked for by more than a quarter", () => {
  const clock = new Clock();
  const events: (TimeEvent & { at: number[] })[] = [];
  const wakeUps = new Set<number>();
  for (let index = 0; index < 500; index++) {
    const one = event();
    const { tick } = one;
    one.tick = (now) => {
      wakeUps.add(now);
      return tick(now);
    };
    events.push(one);
    clock.schedule(one, 1_000);
    jest.advanceTimersByTime(1);
  }
  jest.advanceTimersByTime(1_500);
  for (const { at } of events) {
    expect(at).toHaveLength(1);
    expect(at[0]).toBeWithin(1_000, 1_251);
  }
  expect(wakeUps.size).toBeLessThan(10);
});

test("what was taken out is not called, also by an event that is due at the same time", () => {
  const clock = new Clock();
  const [out, other] = [event(), event()];
  const first: TimeEvent = {
    appointment: null,
    tick: () => {
      clock.cancel(other);
      return never;
    },
  };
  clock.schedule(out, 10);
  clock.schedule(first, 10);
  clock.schedule(other, 10);
  clock.cancel(out);
  jest.advanceTimersByTime(100);
  expect([out.at, other.at, other.appointment]).toEqual([[], [], null]);
});

test("an event may schedule another one for at once", () => {
  const clock = new Clock();
  const second = event();
  const first: TimeEvent = {
    appointment: null,
    tick: () => {
      clock.schedule(second, 0);
      return never;
    },
  };
  clock.schedule(first, 10);
  jest.advanceTimersByTime(20);
  expect(second.at).toHaveLength(1);
});

test("a stopped clock calls nobody", () => {
  const clock = new Clock();
  const one = event();
  clock.schedule(one, 10);
  clock.stop();
  jest.advanceTimersByTime(100);
  expect([one.at, one.appointment, jest.getTimerCount()]).toEqual([[], null, 0]);
});
