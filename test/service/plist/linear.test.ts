/** Reading takes time in proportion to the length, whatever is read: the program checks plists of others. */
import { expect, test } from "bun:test";
import { readPlist } from "../../../src/service/plist/read.ts";

const megabyte = 1024 * 1024;
const rounds = 7;

/** A property list of about so many megabytes that consists of this piece, over and over. */
function repeat(piece: string, megabytes: number): Uint8Array {
  const content = piece.repeat(Math.ceil((megabytes * megabyte) / piece.length));
  return new TextEncoder().encode(
    `<plist version="1.0">\n<dict><key>Label</key><string>x</string>${content}</dict></plist>`,
  );
}

/** An array of the binary form that holds itself 16,384 times for each of the megabytes, by as many objects at one place. */
function overlapping(megabytes: number): Uint8Array {
  const count = megabytes * 16_384;
  const bytes = Buffer.alloc(8 + 6 + count * 4 + count * 4 + 32);
  bytes.write("bplist00");
  bytes.set([0xaf, 0x12], 8);
  bytes.writeUInt32BE(count, 10);
  for (let index = 0; index < count; index++) {
    bytes.writeUInt32BE(index, 14 + index * 4);
    bytes.writeUInt32BE(8, 14 + (count + index) * 4);
  }
  bytes.set([4, 4], bytes.length - 26);
  bytes.writeUInt32BE(count, bytes.length - 20);
  bytes.writeUInt32BE(14 + count * 4, bytes.length - 4);
  return bytes;
}

/** Processor time of that many readings. What runs beside them only adds to it: the shortest of several counts. */
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

test.each([
  ["comments", 1, (size: number) => repeat("<!-- a comment -->\n", size)],
  ["one long comment", 10, (size: number) => repeat(`<!--${" a".repeat((size * megabyte) / 2)}-->`, size)],
  ["comments that do not end", 10, (size: number) => repeat("<!--", size)],
  ["CDATA sections", 1, (size: number) => repeat("<![CDATA[a & b]]>", size)],
  ["CDATA sections that do not end", 10, (size: number) => repeat("<![CDATA[", size)],
  ["objects of the binary form that lie in one another", 20, overlapping],
])(
  "sixteen times the length takes at most 64 times as long: %s",
  (_, readings, make) => {
    // Half-way, in powers of the length, between what is linear and what is quadratic, and would take 256 times as long: memory
    // that is fetched from further away and collected later makes a byte cost up to twice as much.
    const [small, large] = [make(0.5), make(8)];
    const times: { small: number[]; large: number[] } = { small: [], large: [] };
    // The first rounds pay for compiling, the shortest do not.
    for (let round = 0; round < rounds; round++) {
      times.small.push(microseconds(small, readings));
      times.large.push(microseconds(large, readings));
    }
    expect(Math.min(...times.large) / Math.min(...times.small)).toBeLessThanOrEqual(64);
  },
  60_000,
);
