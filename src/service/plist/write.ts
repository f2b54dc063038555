import { build } from "plist";
import { quote, UserError } from "../../errors.ts";
import { type Dictionary, isDictionary, type PlistValue } from "./value.ts";

/** The property list as XML, ending with a newline. Throws a UserError for text that XML cannot hold. */
export function writePlist(dictionary: Dictionary): string {
  checkText(dictionary);
  return `${build(dictionary, { indent: "\t" })}\n`;
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
