import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import type { Log } from "../../src/log.ts";
import { LossReport } from "../../src/proxy/loss-report.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const one = (bytes: number) =>
  `the program closed a connection before it had taken all that its client sent: ${bytes} bytes could not be delivered, and its client was reset`;
const several = (connections: number, bytes: number) =>
  `the program closed ${connections} connections before it had taken all that their clients sent: ${bytes} bytes could not be delivered, and their clients were reset`;

function report(): { losses: LossReport; lines: string[] } {
  const lines: string[] = [];
  return { losses: new LossReport({ warn: (line: string) => lines.push(line) } as unknown as Log), lines };
}

test("the first is told at once, those of the next second in one line, and a later one at once again", () => {
  const { losses, lines } = report();
  losses.add(10);
  for (let bytes = 1; bytes <= 1_000; bytes++) losses.add(bytes);
  expect(lines).toEqual([one(10)]);
  jest.advanceTimersByTime(1_000);
  losses.add(3);
  jest.advanceTimersByTime(5_000);
  losses.add(4);
  expect(lines).toEqual([one(10), several(1_000, 500_500), one(3), one(4)]);
});

test("what is not told yet is told at the end, and nothing where there is nothing", () => {
  const { losses, lines } = report();
  losses.close();
  losses.add(10);
  losses.add(20);
  losses.close();
  expect([lines, jest.getTimerCount()]).toEqual([[one(10), one(20)], 0]);
});
