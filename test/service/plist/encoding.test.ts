import { expect, test } from "bun:test";
import { decodeXml } from "../../../src/service/plist/encoding.ts";

const text = (encoding: string, name = "grüße") =>
  `<?xml version="1.0" encoding="${encoding}"?>\n<plist>${name}</plist>`;
const utf16 = (text: string) => Buffer.from(text, "utf16le");
const utf32 = (text: string) => Buffer.from(Uint32Array.from([...text].map((one) => one.codePointAt(0) ?? 0)).buffer);

test.each([
  ["UTF-8", Buffer.from(text("UTF-8"))],
  ["utf-8 in small letters", Buffer.from(text("utf-8"))],
  ["UTF-8 that nobody declares", Buffer.from("<plist>grüße</plist>")],
  ["UTF-8 with a byte order mark", Buffer.from(`\ufeff${text("UTF-8")}`)],
  ["UTF-16 with a byte order mark", utf16(`\ufeff${text("UTF-16")}`)],
  ["UTF-16, the other order", utf16(`\ufeff${text("UTF-16BE")}`).swap16()],
])("reads %s", (_, bytes) => {
  expect(decodeXml(bytes)).toContain("<plist>grüße</plist>");
});

test.each([
  ['its encoding is "ISO-8859-1"', Buffer.from(text("ISO-8859-1"), "latin1")],
  ['its encoding is "macintosh"', Buffer.from(text("macintosh", "plain"))],
  // Readers that obey it see other text than those that do not.
  ['its encoding is "UTF-7"', Buffer.from(text("UTF-7", "+ADw-"))],
  ["it is declared to be UTF-16, and is not", Buffer.from(text("UTF-16", "plain"))],
  ['it is UTF-16, and declared to be "UTF-8"', utf16(`\ufeff${text("UTF-8")}`)],
  ["its encoding is UTF-16 without a byte order mark", utf16(text("UTF-16"))],
  ["its encoding is UTF-16 without a byte order mark", utf16(text("UTF-16")).swap16()],
  ["its encoding is UTF-32", utf32(text("UTF-32"))],
  ["its encoding is UTF-32", utf32(`\ufeff${text("UTF-32")}`)],
  ["its encoding is EBCDIC", Buffer.from([0x4c, 0x6f, 0xa7, 0x94, 0x93])],
])("refuses others by name: %s", (why, bytes) => {
  expect(() => decodeXml(bytes)).toThrow(`${why}; plutil -convert xml1 writes it in UTF-8`);
});

test("tells bytes that are not the text that they are declared to be", () => {
  expect(() => decodeXml(Buffer.from(text("UTF-8"), "latin1"))).toThrow(
    "it is not text in UTF-8; plutil -convert xml1",
  );
});
