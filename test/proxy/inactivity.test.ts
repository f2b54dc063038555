import { expect, test } from "bun:test";
import { Inactivity } from "../../src/proxy/inactivity.ts";

test("it lasts from the first look that found the count as it is now", () => {
  const inactivity = new Inactivity();
  const counts = [
    { now: 100, count: 0, lasting: 0 },
    { now: 300, count: 0, lasting: 200 },
    { now: 400, count: 1, lasting: 0 },
    { now: 450, count: 1, lasting: 50 },
    { now: 500, count: 0, lasting: 0 },
  ];
  for (const { now, count, lasting } of counts) expect(inactivity.lasting(now, count)).toBe(lasting);
});
