/** Reading takes time in proportion to the length, whatever is read: the program checks plists of others. */
import { expect, test } from "bun:test";
import { readPlist } from "../../../src/service/plist/read.ts";

const megabyte = 1024 * 1024;
const rounds = 5;

/** A property list of about so many megabytes that consists of this piece, over and over. */
function repeat(piece: string, megabytes: number): Uint8Array {
  const content = piece.repeat(Math.ceil((megabytes * megabyte) / piece.length));
  return new TextEncoder().encode(
    `<plist version="1.0">\n<dict><key>Label</key><string>x</string>${content}</dict></plist>`,
  );
}

/**
 * An array of the binary form that holds 16,384 arrays for each of the megabytes, all of which lie at one place and hold one value
 * as many times. (An array that holds itself is refused at once.)
 */
function overlapping(megabytes: number): Uint8Array {
  const count = megabytes * 16_384;
  const length = 6 + count * 4;
  const [outer, inner, leaf] = [8, 8 + length, 8 + 2 * length];
  const table = leaf + 1;
  const bytes = Buffer.alloc(table + (count + 2) * 4 + 32);
  bytes.write("bplist00");
  for (const [at, reference] of [
    [outer, (index: number) => index + 1],
    [inner, () => count + 1],
  ] as const) {
    bytes.set([0xaf, 0x12], at);
    bytes.writeUInt32BE(count, at + 2);
    for (let index = 0; index < count; index++) bytes.writeUInt32BE(reference(index), at + 6 + index * 4);
  }
  bytes.set([0x08], leaf);
  for (let object = 0; object < count + 2; object++) {
    bytes.writeUInt32BE(object === 0 ? outer : object <= count ? inner : leaf, table + object * 4);
  }
  bytes.set([4, 4], bytes.length - 26);
  bytes.writeUInt32BE(count + 2, bytes.length - 20);
  bytes.writeUInt32BE(table, bytes.length - 4);
  return bytes;
}

/** Processor time of that many readings. */
function microseconds(bytes: Uint8Array, readings: number): number {
  const before = process.cpuUsage();
  for (let reading = 0; reading < readings; reading++) {
    try {
      readPlist(bytes);
    } catch (error) {
      expect(error).toHaveProperty("name", "UserError");
    }
  }
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** How many times as long one reading of the large one takes. What runs beside them only adds to a time: the shortest of several counts. */
function ratio(small: Uint8Array, large: Uint8Array): number {
  const times: { small: number[]; large: number[] } = { small: [], large: [] };
  // The first rounds pay for compiling, the shortest do not. One round is enough to find what takes longer than that.
  for (const end = performance.now() + 15_000; times.large.length < rounds && performance.now() < end; ) {
    times.small.push(microseconds(small, 4) / 4);
    times.large.push(microseconds(large, 1));
  }
  return Math.min(...times.large) / Math.min(...times.small);
}

test.each([
  ["comments", (megabytes: number) => repeat("<!-- a comment -->\n", megabytes)],
  ["one long comment", (megabytes: number) => repeat(`<!--${" a".repeat((megabytes * megabyte) / 2)}-->`, megabytes)],
  ["comments that do not end", (megabytes: number) => repeat("<!--", megabytes)],
  ["CDATA sections", (megabytes: number) => repeat("<![CDATA[a & b]]>", megabytes)],
  ["CDATA sections that do not end", (megabytes: number) => repeat("<![CDATA[", megabytes)],
  ["objects of the binary form that lie in one another", overlapping],
])(
  "sixteen times the length takes at most 64 times as long: %s",
  (_, make) => {
    // Half-way, in powers of the length, between what is linear and what is quadratic, and would take 256 times as long: memory
    // that is fetched from further away and collected later makes a byte cost up to twice as much. The longest would keep the
    // worst of readers busy for hours; it fails with the shorter ones.
    for (const megabytes of [1 / 64, 1 / 4]) {
      expect(ratio(make(megabytes), make(16 * megabytes))).toBeLessThanOrEqual(64);
    }
  },
  120_000,
);
