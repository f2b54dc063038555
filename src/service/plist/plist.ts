import { build, type PlistValue, parse } from "plist";
import { quote, UserError } from "../../log.ts";
import { readBinaryPlist } from "./binary.ts";

export type { PlistValue } from "plist";

/** A dictionary of a property list. */
export type Dictionary = { [key: string]: PlistValue };

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

/** The property list as XML, ending with a newline. Throws a UserError for text that XML cannot hold. */
export function writePlist(dictionary: Dictionary): string {
  checkText(dictionary);
  return `${build(dictionary, { indent: "\t" })}\n`;
}

export function isDictionary(value: PlistValue | undefined): value is Dictionary {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !ArrayBuffer.isView(value)
  );
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

/** What XML 1.0 leaves out of Char, and U+FFFD, which stands for bytes that were not UTF-8 when they reached us. */
function checkText(value: PlistValue): void {
  if (typeof value === "string") {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    const [found] = value.match(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ufffd]|\p{Surrogate}/u) ?? [];
    if (found === undefined) return;
    const code = found.codePointAt(0) ?? 0;
    const name = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
    const why = code === 0xfffd ? "it is not text in UTF-8" : `it has the character ${name}`;
    throw new UserError(
      `cannot write ${quote(value)} into a property list: ${why}, which XML cannot hold; leave it out`,
    );
  }
  if (Array.isArray(value)) value.forEach(checkText);
  else if (isDictionary(value)) {
    Object.keys(value).forEach(checkText);
    Object.values(value).forEach(checkText);
  }
}
