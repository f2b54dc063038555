import { quote, UserError } from "../../errors.ts";

/** How texts in encodings that are not read begin: with their byte order mark, or with what `<?xm` is in them (XML 1.0, appendix F). */
const foreign: [string, number[]][] = [
  ["UTF-32", [0xff, 0xfe, 0x00, 0x00]],
  ["UTF-32", [0x00, 0x00, 0xfe, 0xff]],
  ["UTF-32", [0x3c, 0x00, 0x00, 0x00]],
  ["UTF-32", [0x00, 0x00, 0x00, 0x3c]],
  ["UTF-16 without a byte order mark", [0x3c, 0x00]],
  ["UTF-16 without a byte order mark", [0x00, 0x3c]],
  ["EBCDIC", [0x4c, 0x6f, 0xa7, 0x94]],
];

/** The text of an XML file in UTF-8, or in UTF-16 with its byte order mark, as every reader of XML takes them. Throws a UserError that names another encoding. */
export function decodeXml(bytes: Uint8Array): string {
  const begins = (...start: number[]) => start.every((byte, index) => bytes[index] === byte);
  for (const [name, start] of foreign) if (begins(...start)) throw notRead(`its encoding is ${name}`);
  const encoding = begins(0xff, 0xfe) ? "utf-16le" : begins(0xfe, 0xff) ? "utf-16be" : "utf-8";
  // A declaration says the encoding in letters of ASCII, whichever of those that are left it is.
  const head = new TextDecoder(encoding).decode(bytes.subarray(0, 400));
  const [, declared] = head.match(/^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"'>]*)["']/) ?? [];
  if (encoding === "utf-8") {
    if (declared !== undefined && /^utf-?16/i.test(declared)) throw notRead("it is declared to be UTF-16, and is not");
    if (declared !== undefined && !/^(utf-?8|us-ascii)$/i.test(declared))
      throw notRead(`its encoding is ${quote(declared)}`);
  } else if (declared !== undefined && !/^utf-?16/i.test(declared)) {
    throw notRead(`it is UTF-16, and declared to be ${quote(declared)}`);
  }
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw notRead(`it is not text in ${encoding === "utf-8" ? "UTF-8" : "UTF-16"}`);
  }
}

function notRead(why: string): UserError {
  return new UserError(`${why}; plutil -convert xml1 writes it in UTF-8`);
}
