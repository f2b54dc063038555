import { describe, expect, test } from "bun:test";
import { buildBinary } from "plist";
import { readBinaryPlist } from "../../../src/service/plist/binary.ts";

/** A property list of these objects, the first outermost; references and offsets take one byte. */
function assemble(...objects: number[][]): Uint8Array {
  let end = 8;
  const offsets = objects.map((object) => {
    end += object.length;
    return end - object.length;
  });
  const trailer = [
    ...new Array(6).fill(0),
    1,
    1,
    ...[objects.length, 0, end].flatMap((value) => [0, 0, 0, 0, 0, 0, 0, value]),
  ];
  return Uint8Array.from([...Buffer.from("bplist00"), ...objects.flat(), ...offsets, ...trailer]);
}

describe("readBinaryPlist", () => {
  test("reads every type", () => {
    const value = {
      text: "plain",
      wide: "grüße 😀",
      long: "x".repeat(70_000),
      numbers: [0, 255, 65_536, 2 ** 40, -1, 1.5],
      yes: true,
      no: false,
      date: new Date("2024-05-06T07:08:09Z"),
      data: Uint8Array.of(1, 2, 3),
      empty: { list: [], dictionary: {} },
    };
    expect(readBinaryPlist(buildBinary(value))).toEqual(value);
  });

  test("reads lengths and numbers of any size", () => {
    expect(readBinaryPlist(assemble([0x5f, 0x10, 3, 0x61, 0x62, 0x63]))).toBe("abc");
    expect(readBinaryPlist(assemble([0x11, 1, 0]))).toBe(256);
    expect(readBinaryPlist(assemble([0x14, ...new Array(15).fill(0), 7]))).toBe(7);
    expect(readBinaryPlist(assemble([0x22, 0x3f, 0x80, 0, 0]))).toBe(1);
    expect(readBinaryPlist(assemble([0x00]))).toBeNull();
  });

  test("reads an object once that is referred to often", () => {
    // Each of 60 lists holds the next one twice: read anew each time, that would be 2⁶⁰ lists.
    const lists = Array.from({ length: 60 }, (_, index) => [0xa2, index + 1, index + 1]);
    expect(readBinaryPlist(assemble(...lists, [0x08]))).toBeArrayOfSize(2);
  });

  test.each([
    ["nothing", []],
    ["another version", [...Buffer.from("bplist15"), ...new Array(40).fill(0)]],
    ["a list that contains itself", assemble([0xa1, 0])],
    ["a reference to no object", assemble([0xa1, 9])],
    ["a text that is cut off", assemble([0x5f, 0x11, 0xff, 0xff, 0x61])],
    ["a list that is longer than the file", assemble([0xaf, 0x13, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
    ["an unknown type", assemble([0x70])],
    ["an unknown kind", assemble([0x0f])],
    ["no objects", assemble()],
  ])("refuses %s", (_, bytes) => {
    expect(() => readBinaryPlist(Uint8Array.from(bytes))).toThrow(RangeError);
  });
});
