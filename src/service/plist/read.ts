import { parse } from "plist";
import { UserError } from "../../errors.ts";
import { readBinaryPlist } from "./binary.ts";
import { type Dictionary, isDictionary, type PlistValue } from "./value.ts";

/** Far more than any job needs; a larger file is not one. */
export const maxBytes = 4 * 1024 * 1024;

/**
 * Reads a property list in one of the two forms that launchd takes, XML and binary. Throws a UserError that completes
 * "it is not a property list: …".
 */
export function readPlist(bytes: Uint8Array): Dictionary {
  if (bytes.length > maxBytes) throw new UserError(`it has more than ${maxBytes >> 20} MB`);
  const binary = Buffer.from(bytes.subarray(0, 6)).toString("latin1") === "bplist";
  const value = binary ? readBinary(bytes) : readXml(decode(bytes));
  if (!isDictionary(value)) throw new UserError("its outermost value is not a dictionary");
  return value;
}

function readBinary(bytes: Uint8Array): PlistValue {
  try {
    return readBinaryPlist(bytes);
  } catch {
    // What the parser says (a RangeError, an offset) tells a person nothing.
    throw new UserError("its binary form is damaged");
  }
}

/**
 * The parser prints what it finds, goes on after mistakes that Apple's stops at, and lets a bare & pass; here each of
 * them is an error.
 */
function readXml(text: string): PlistValue {
  const complaints: string[] = [];
  const print = console.error;
  console.error = (...words: unknown[]) => complaints.push(words.join(" "));
  try {
    if (!text.trimStart().startsWith("<")) throw new UserError("it is neither XML nor binary");
    const plain = text.replace(/<!--.*?-->|<!\[CDATA\[.*?\]\]>/gs, (part) => part.replace(/[^\n]/g, " "));
    const at = plain.search(/&(?!(#\d+|#x[\da-f]+|amp|lt|gt|quot|apos);)/i);
    if (at >= 0) throw new UserError(`line ${lineOf(plain, at)} has a bare &, which XML writes as &amp;`);
    const value = parse(text);
    const [complaint] = complaints;
    if (complaint !== undefined) throw new Error(complaint);
    return value;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(describe(complaints[0] ?? (error as Error).message));
  } finally {
    console.error = print;
  }
}

/** `[xmldom fatalError]\tMESSAGE\n@#[line:3,col:19]` as words. */
function describe(complaint: string): string {
  const [, line] = complaint.match(/\[line:(\d+)/) ?? [];
  const [first = ""] = complaint.split("\n");
  const message = first.replace(/^(\[xmldom \w+\]\s*|ParseError: )/, "").trim();
  return line === undefined || line === "0" ? message : `${message} (line ${line})`;
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split("\n").length;
}

/** UTF-8, or UTF-16 by its byte order mark, as XML 1.0 wants it. */
function decode(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new UserError("it is not text in UTF-8");
  }
}
