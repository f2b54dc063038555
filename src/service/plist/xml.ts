import { parse } from "plist";
import { UserError } from "../../errors.ts";
import { type Duplicates, isDictionary, maxDepth, type PlistValue, toDictionary } from "./value.ts";

/**
 * Reads a property list as XML, and adds to `duplicates`. The time that it takes grows with the length. Throws a UserError that completes
 * "it is not a property list: …": the parser prints what it finds, and goes on after mistakes that Apple's stops at; here
 * the first of them is an error.
 */
export function readXml(text: string, duplicates: Duplicates): PlistValue {
  if (!text.trimStart().startsWith("<")) throw new UserError("it is neither XML nor binary");
  const { xml, lineIn } = prepare(text);
  const at = xml.search(/&(?!(#\d+|#x[\da-f]+|amp|lt|gt|quot|apos);)/i);
  if (at >= 0) throw new UserError(`line ${lineIn(lineOf(xml, at))} has a bare &, which XML writes as &amp;`);
  let complaint: string | undefined;
  const print = console.error;
  console.error = (...words: unknown[]) => {
    complaint ??= words.join(" ");
    throw new Error(complaint);
  };
  try {
    return unmark(parse(xml), duplicates);
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (error instanceof RangeError) throw tooDeep();
    throw new UserError(describe(complaint ?? (error as Error).message, lineIn));
  } finally {
    console.error = print;
  }
}

/** Stands behind each key, with a number, so that the parser keeps all keys of a dictionary apart: of two equal ones it drops one. */
const mark = "\u{f8ff}";

/**
 * The same XML without comments, with CDATA sections as the text that they are, and with the keys marked: the parser takes a key's first piece alone, and
 * its expressions give up on a long comment. `lineIn` finds a line's number in the original.
 */
function prepare(text: string): { xml: string; lineIn: (line: number) => number } {
  const parts: string[] = [];
  const removed: { line: number; lines: number }[] = [];
  let from = 0;
  let line = 1;
  let keys = 0;
  const keepUntil = (at: number) => {
    const part = text.slice(from, at);
    parts.push(part);
    line += newlines(part);
    from = at;
  };
  /** Where the text ends that begins at `start`. */
  const endOf = (what: string, start: number, mark: string): number => {
    const end = text.indexOf(mark, start);
    if (end >= 0) return end;
    throw new UserError(`line ${lineOf(text, start)} begins ${what} that does not end`);
  };
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", Math.max(at + 1, from))) {
    if (text.startsWith("<!--", at)) {
      keepUntil(at);
      const end = endOf("a comment", at + 4, "-->");
      const comment = text.slice(at + 4, end);
      if (`${comment}-`.includes("--")) {
        throw new UserError(`line ${lineOf(text, at)} begins a comment with -- in it, which XML does not have`);
      }
      const lines = newlines(comment);
      if (lines > 0) removed.push({ line, lines });
      from = end + 3;
    } else if (text.startsWith("<![CDATA[", at)) {
      keepUntil(at);
      const end = endOf("a CDATA section", at + 9, "]]>");
      const section = text.slice(at + 9, end);
      parts.push(section.replaceAll("&", "&amp;").replaceAll("<", "&lt;"));
      line += newlines(section);
      from = end + 3;
    } else if (text.startsWith("<?", at)) {
      keepUntil(endOf("a processing instruction", at + 2, "?>"));
    } else if (text.startsWith("<!DOCTYPE", at)) {
      const [type] = matchAt(doctype, text, at) ?? [];
      if (type === undefined) {
        throw new UserError(
          `line ${lineOf(text, at)} has a DOCTYPE with declarations in it, which readers take differently`,
        );
      }
      keepUntil(at + type.length);
    } else if (matchAt(keyEnd, text, at)) {
      keepUntil(at);
      parts.push(`${mark}${keys++}`);
    } else {
      const [empty] = matchAt(emptyKey, text, at) ?? [];
      if (empty === undefined) continue;
      keepUntil(at);
      parts.push(`<key>${mark}${keys++}</key>`);
      line += newlines(empty);
      from += empty.length;
    }
  }
  keepUntil(text.length);
  const before = (line: number) => removed.filter((comment) => comment.line <= line);
  return { xml: parts.join(""), lineIn: (line) => before(line).reduce((sum, { lines }) => sum + lines, line) };
}

const doctype = /<!DOCTYPE(?:[^"'<>[]|"[^"]*"|'[^']*')*>/y;
const keyEnd = /<\/key\s*>/y;
const emptyKey = /<key\s*\/>/y;

function matchAt(expression: RegExp, text: string, at: number): RegExpExecArray | null {
  expression.lastIndex = at;
  return expression.exec(text);
}

/** The value with its keys as they were. */
function unmark(value: PlistValue, duplicates: Duplicates, depth = 0): PlistValue {
  if (depth > maxDepth) throw tooDeep();
  if (Array.isArray(value)) return value.map((element) => unmark(element, duplicates, depth + 1));
  if (!isDictionary(value)) return value;
  const entries = Object.entries<PlistValue>(value).map(([marked, content]): [string, PlistValue] => {
    const end = marked.lastIndexOf(mark);
    if (end < 0) throw new UserError("it has a <key> with something else than text in it");
    return [marked.slice(0, end), unmark(content, duplicates, depth + 1)];
  });
  return toDictionary(entries, duplicates);
}

function tooDeep(): UserError {
  return new UserError(`its values lie deeper in one another than ${maxDepth} times`);
}

/** `[xmldom fatalError]\tMESSAGE\n@#[line:3,col:19]` as words. */
function describe(complaint: string, lineIn: (line: number) => number): string {
  const [, line] = complaint.match(/\n@#\[line:(\d+)/) ?? [];
  const [first = ""] = complaint.split("\n", 1);
  const message = first.replace(/^(\[xmldom \w+\]\s*|ParseError: )|( starting)? at position \d+/g, "").trim();
  const short = message.length <= 200 ? message : `${message.slice(0, 200)}…`;
  return line === undefined || line === "0" ? short : `${short} (line ${lineIn(Number(line))})`;
}

function lineOf(text: string, at: number): number {
  return newlines(text.slice(0, at)) + 1;
}

function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
