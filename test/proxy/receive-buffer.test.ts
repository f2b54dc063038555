import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import type { Kernel } from "../../src/proxy/kernel.ts";
import { ReceiveBuffer } from "../../src/proxy/receive-buffer.ts";

const small = 128 * 1024;
const large = 4 * 1024 * 1024;
const proof = 144 * 1024;
const backend = 3;
const client = 4;

const made: ReceiveBuffer[] = [];
/** What the client's kernel has not acknowledged. */
let unsent = 0;
/** What it offers to take after that. */
let offered = 0;
beforeEach(() => void jest.useFakeTimers());
afterEach(() => {
  jest.useRealTimers();
  unsent = offered = 0;
  for (const buffer of made.splice(0)) buffer.release();
});

/** A buffer whose backend has sent much; `sizes` are those that the kernel was told. */
function limited(near = false): { buffer: ReceiveBuffer; sizes: number[] } {
  const sizes: number[] = [];
  const resize = (fd: number, bytes: number) => void sizes.push(fd === backend ? bytes : Number.NaN);
  const unsentBytes = (fd: number) => (fd === client ? unsent : Number.NaN);
  const offeredWindow = (fd: number) => (fd === client ? offered : Number.NaN);
  const kernel = { setReceiveBuffer: resize, growReceiveBuffer: resize, unsentBytes, offeredWindow };
  const buffer = new ReceiveBuffer(kernel as unknown as Kernel, near);
  made.push(buffer);
  buffer.limit(backend);
  buffer.limit(backend);
  return { buffer, sizes };
}

test("it is limited once, and grows once when a client has taken enough without being behind", () => {
  const { buffer, sizes } = limited();
  buffer.taken(backend, proof - 1, client);
  expect(sizes).toEqual([small]);
  buffer.taken(backend, proof, client);
  buffer.taken(backend, 9 * proof, client);
  expect(sizes).toEqual([small, large]);
});

test("what only lies in the client's kernel does not count", () => {
  const { buffer, sizes } = limited();
  unsent = 1_000_000;
  buffer.taken(backend, 1_000_000 + proof - 1, client);
  expect(sizes).toEqual([small]);
  buffer.taken(backend, 1_000_000 + proof, client);
  expect(sizes).toEqual([small, large]);
});

test("what the client's kernel offers counts: it offers less and less where nobody reads", () => {
  const { buffer, sizes } = limited();
  offered = 65_536;
  for (; offered > 0; offered -= 8_192) buffer.taken(backend, 65_536 - offered, client);
  buffer.taken(backend, 65_536, client);
  expect(sizes).toEqual([small]);
  offered = proof - 81_920;
  buffer.taken(backend, 81_919, client);
  expect(sizes).toEqual([small]);
  buffer.taken(backend, 81_920, client);
  expect(sizes).toEqual([small, large]);
});

test("a client that was behind for more than a moment has to prove itself anew; what has grown stays so", () => {
  const { buffer, sizes } = limited();
  buffer.clientIsBehind();
  jest.advanceTimersByTime(60);
  buffer.taken(backend, 600_000, client);
  buffer.taken(backend, 600_000 + proof - 1, client);
  expect(sizes).toEqual([small]);
  buffer.clientIsBehind();
  jest.advanceTimersByTime(40);
  buffer.taken(backend, 600_000 + proof, client);
  buffer.clientIsBehind();
  jest.advanceTimersByTime(1_000);
  buffer.taken(backend, 2_000_000, client);
  expect(sizes).toEqual([small, large]);
});

test("it never grows for a backend on this machine", () => {
  const { buffer, sizes } = limited(true);
  buffer.taken(backend, 1_000_000_000, client);
  expect(sizes).toEqual([small]);
});

test("ten have grown at a time, until they are closed", () => {
  const all = Array.from({ length: 11 }, () => limited());
  for (const { buffer } of all) buffer.taken(backend, proof, client);
  const grown = () => all.filter(({ sizes }) => sizes.includes(large)).length;
  expect(grown()).toBe(10);
  all[10]?.buffer.taken(backend, proof, client);
  expect(grown()).toBe(10);
  all[0]?.buffer.release();
  all[10]?.buffer.taken(backend, proof, client);
  expect(grown()).toBe(11);
});
