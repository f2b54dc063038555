import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import type { Kernel } from "../../src/proxy/kernel.ts";
import { ReceiveBuffer } from "../../src/proxy/receive-buffer.ts";

const small = 128 * 1024;
const large = 2 * 1024 * 1024;
const proof = 512 * 1024;

const made: ReceiveBuffer[] = [];
beforeEach(() => void jest.useFakeTimers());
afterEach(() => {
  jest.useRealTimers();
  for (const buffer of made.splice(0)) buffer.release();
});

/** A buffer whose backend has sent much; `sizes` are those that the kernel was told. */
function limited(near = false): { buffer: ReceiveBuffer; sizes: number[] } {
  const sizes: number[] = [];
  const kernel = { setReceiveBuffer: (_: number, bytes: number) => void sizes.push(bytes) } as unknown as Kernel;
  const buffer = new ReceiveBuffer(kernel, near);
  made.push(buffer);
  buffer.limit(3, 100_000);
  buffer.limit(3, 200_000);
  return { buffer, sizes };
}

test("it is limited once, and grows when a client has taken half a megabyte without being behind", () => {
  const { buffer, sizes } = limited();
  buffer.taken(3, 100_000 + proof - 1);
  expect(sizes).toEqual([small]);
  buffer.taken(3, 100_000 + proof);
  buffer.taken(3, 100_000 + 9 * proof);
  expect(sizes).toEqual([small, large]);
});

test("a client that was behind for more than a moment has to prove itself anew; what has grown stays so", () => {
  const { buffer, sizes } = limited();
  buffer.clientIsBehind();
  jest.advanceTimersByTime(60);
  buffer.taken(3, 600_000);
  buffer.taken(3, 600_000 + proof - 1);
  expect(sizes).toEqual([small]);
  buffer.clientIsBehind();
  jest.advanceTimersByTime(40);
  buffer.taken(3, 600_000 + proof);
  buffer.clientIsBehind();
  jest.advanceTimersByTime(1_000);
  buffer.taken(3, 2_000_000);
  expect(sizes).toEqual([small, large]);
});

test("it never grows for a backend on this machine", () => {
  const { buffer, sizes } = limited(true);
  buffer.taken(3, 1_000_000_000);
  expect(sizes).toEqual([small]);
});

test("fifteen have grown at a time, until they are closed", () => {
  const all = Array.from({ length: 16 }, () => limited());
  for (const { buffer } of all) buffer.taken(3, 100_000 + proof);
  const grown = () => all.filter(({ sizes }) => sizes.includes(large)).length;
  expect(grown()).toBe(15);
  all[15]?.buffer.taken(3, 100_000 + proof);
  expect(grown()).toBe(15);
  all[0]?.buffer.release();
  all[15]?.buffer.taken(3, 100_000 + proof);
  expect(grown()).toBe(16);
});
