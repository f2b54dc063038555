import { UserError } from "../../errors.ts";
import { readBinaryPlist } from "./binary.ts";
import { decodeXml } from "./encoding.ts";
import { type Dictionary, type Duplicates, isDictionary, type PlistValue } from "./value.ts";
import { readXml } from "./xml.ts";

/** Far more than any job needs; a larger file is not one. */
export const maxBytes = 16 * 1024 * 1024;

/** What a property list says, and which of its dictionaries say something twice. */
export interface Reading {
  value: Dictionary;
  duplicates: Duplicates;
}

/**
 * Reads a property list in one of the two forms that launchd takes, XML and binary. Throws a UserError that completes
 * "it is not a property list: …", with "; " before what to do where that is known.
 */
export function parsePlist(bytes: Uint8Array): Reading {
  if (bytes.length > maxBytes) throw new UserError(`it has more than ${maxBytes >> 20} MB`);
  const duplicates: Duplicates = new Map();
  const binary = Buffer.from(bytes.subarray(0, 6)).toString("latin1") === "bplist";
  const value = binary ? readBinary(bytes, duplicates) : readXml(decodeXml(bytes), duplicates);
  if (!isDictionary(value)) throw new UserError("its outermost value is not a dictionary");
  return { value, duplicates };
}

/** What a property list says; of two equal keys the last one counts. Throws as `parsePlist` does. */
export function readPlist(bytes: Uint8Array): Dictionary {
  return parsePlist(bytes).value;
}

function readBinary(bytes: Uint8Array, duplicates: Duplicates): PlistValue {
  try {
    return readBinaryPlist(bytes, duplicates);
  } catch {
    // What the parser says (a RangeError, an offset) tells a person nothing.
    throw new UserError("its binary form is damaged");
  }
}
