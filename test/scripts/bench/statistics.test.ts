import { expect, test } from "bun:test";
import { median, ratio, spread } from "../../../scripts/bench/statistics.ts";

test("the median of an odd and of an even number of values, in any order", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test("the spread is half the distance between the quartiles, relative to the median", () => {
  expect(spread([10, 10, 10])).toBe(0);
  expect(spread([80, 90, 100, 110, 120])).toBeCloseTo(0.1);
});

test("a round in which the whole machine was slow does not change a ratio", () => {
  expect(ratio([100, 10, 100], [50, 5, 50])).toBe(2);
  expect(ratio([100, 100], [50])).toBe(2);
});
