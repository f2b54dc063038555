import { type Duplicates, maxDepth, type PlistValue, toDictionary } from "./value.ts";

/**
 * Reads a binary property list, `bplist00`, as Apple publishes the format in CFBinaryPList.c: objects, a table of their
 * offsets, and a trailer of 32 bytes. (The plist package's own reader knows integers of 1, 2, 4 and 8 bytes only; libplist
 * writes offsets of 3.) Adds to `duplicates`. Numbers above 2⁵³ lose precision. Throws a RangeError for anything that is damaged.
 */
export function readBinaryPlist(bytes: Uint8Array, duplicates: Duplicates = new Map()): PlistValue {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (data.length < header.length + trailerLength || data.toString("latin1", 0, header.length) !== header) {
    throw new RangeError("no header or no trailer");
  }
  const trailer = data.subarray(-trailerLength);
  const layout = {
    offsetSize: trailer.readUInt8(6),
    referenceSize: trailer.readUInt8(7),
    count: readUnsigned(trailer, 8, 8),
    table: readUnsigned(trailer, 24, 8),
  };
  const reader = new Reader(data, layout, duplicates);
  return reader.object(readUnsigned(trailer, 16, 8));
}

const header = "bplist00";
const trailerLength = 32;

/** Seconds from 1970 to 2001, where dates are counted from. */
const epoch = 978_307_200;

interface Layout {
  offsetSize: number;
  referenceSize: number;
  count: number;
  table: number;
}

class Reader {
  /** Each object is read once, however often it is referred to; undefined while it is being read. */
  readonly #objects = new Map<number, PlistValue | undefined>();
  /** How many bytes the objects so far consist of: more than there are only where they overlap, and then without end. */
  #taken = 0;

  constructor(
    readonly data: Buffer,
    readonly layout: Layout,
    readonly duplicates: Duplicates,
  ) {}

  object(index: number, depth = 0): PlistValue {
    if (depth > maxDepth) throw new RangeError("objects too deep in one another");
    if (index >= this.layout.count) throw new RangeError("a reference to no object");
    if (this.#objects.has(index)) {
      const known = this.#objects.get(index);
      if (known === undefined) throw new RangeError("an object that contains itself");
      return known;
    }
    this.#objects.set(index, undefined);
    const { table, offsetSize } = this.layout;
    const value = this.#read(readUnsigned(this.data, table + index * offsetSize, offsetSize), depth);
    this.#objects.set(index, value);
    return value;
  }

  /** The marker's upper half is the type, its lower half a length, or 15 for a length that follows as an integer. */
  #read(offset: number, depth: number): PlistValue {
    const marker = this.data.readUInt8(offset);
    const type = marker >> 4;
    const low = marker & 0x0f;
    switch (type) {
      case 0x0:
        return readSingleton(marker);
      case 0x1:
        return readInteger(this.data, offset + 1, 1 << low);
      case 0x2:
        return low === 2 ? this.data.readFloatBE(offset + 1) : this.data.readDoubleBE(offset + 1);
      case 0x3:
        return new Date((this.data.readDoubleBE(offset + 1) + epoch) * 1000);
    }
    const [length, start] = low === 0x0f ? this.#length(offset + 1) : [low, offset + 1];
    switch (type) {
      case 0x4:
        return Uint8Array.from(this.#slice(start, length));
      case 0x5:
        return this.#slice(start, length).toString("latin1");
      case 0x6:
        return Buffer.from(this.#slice(start, length * 2))
          .swap16()
          .toString("utf16le");
      case 0xa:
        return this.#references(start, length, depth);
      case 0xd: {
        const keys = this.#references(start, length, depth);
        const values = this.#references(start + length * this.layout.referenceSize, length, depth);
        return toDictionary(
          keys.map((key, index) => [String(key), values[index] ?? null]),
          this.duplicates,
        );
      }
      default:
        throw new RangeError(`an object of the unknown type ${type}`);
    }
  }

  #length(offset: number): [number, number] {
    const size = 1 << (this.data.readUInt8(offset) & 0x0f);
    return [readUnsigned(this.data, offset + 1, size), offset + 1 + size];
  }

  #references(start: number, length: number, depth: number): PlistValue[] {
    const { referenceSize } = this.layout;
    this.#slice(start, length * referenceSize);
    return Array.from({ length }, (_, index) =>
      this.object(readUnsigned(this.data, start + index * referenceSize, referenceSize), depth + 1),
    );
  }

  #slice(start: number, length: number): Buffer {
    if (start + length > this.data.length) throw new RangeError("an object that is cut off");
    this.#taken += length;
    if (this.#taken > this.data.length) throw new RangeError("objects that lie in one another's bytes");
    return this.data.subarray(start, start + length);
  }
}

function readSingleton(marker: number): PlistValue {
  if (marker === 0x08) return false;
  if (marker === 0x09) return true;
  if (marker === 0x00) return null;
  throw new RangeError(`an object of the unknown kind ${marker}`);
}

/** Integers of 8 and 16 bytes have a sign, shorter ones have none. */
function readInteger(data: Buffer, offset: number, size: number): number {
  if (size === 16) return Number(BigInt.asIntN(64, data.readBigUInt64BE(offset + 8)));
  return size === 8 ? Number(data.readBigInt64BE(offset)) : readUnsigned(data, offset, size);
}

function readUnsigned(data: Buffer, offset: number, size: number): number {
  if (size < 1 || size > 8) throw new RangeError(`an integer of ${size} bytes`);
  let value = 0;
  for (let index = 0; index < size; index++) value = value * 256 + data.readUInt8(offset + index);
  return value;
}
