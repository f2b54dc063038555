import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { maxBytes, readPlist } from "../../../src/service/plist/read.ts";
import type { Dictionary } from "../../../src/service/plist/value.ts";
import { writePlist } from "../../../src/service/plist/write.ts";
import { peer } from "../../support/peers.ts";
import { seed } from "../../support/seed.ts";

const plistutil = peer("plistutil", "libplist-utils");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plist-"));
});
afterAll(() => rm(folder, { recursive: true }));

const encode = (text: string) => new TextEncoder().encode(text);
const xml = (content: string) =>
  encode(`<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0">\n${content}\n</plist>\n`);

/** What another program makes of a property list; it reads files. */
async function convert(bytes: Uint8Array, format: "bin" | "xml"): Promise<Uint8Array> {
  const file = join(folder, "input.plist");
  await Bun.write(file, bytes);
  const { exitCode, stdout, stderr } = Bun.spawnSync([plistutil ?? "", "-i", file, "-f", format, "-o", "-"]);
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
  return stdout;
}

const difficult: Dictionary = {
  Label: "com.example.web",
  ProgramArguments: ["&<>\"'", "two\nlines", "\ttab\r", "grüße 😀 日本", "", "  blanks  ", "]]>", "&amp;"],
  EnvironmentVariables: { "A&B<": "x" },
  ExitTimeOut: 45,
  KeepAlive: true,
  Nested: { empty: {}, list: [], no: false },
};

describe("writePlist", () => {
  test("is read back as it was", () => {
    expect(readPlist(encode(writePlist(difficult)))).toEqual(difficult);
  });

  test("keeps the order of the keys and ends with a newline", () => {
    const text = writePlist({ Label: "a", ProgramArguments: ["b"], Alpha: "c" });
    expect([...text.matchAll(/<key>(.*?)<\/key>/g)].map(([, key]) => key)).toEqual([
      "Label",
      "ProgramArguments",
      "Alpha",
    ]);
    expect(text).toEndWith("</plist>\n");
  });

  test.each([
    ["\x01", "it has the character U+0001"],
    ["a\x1bb", "it has the character U+001B"],
    ["\ud800", "it has the character U+D800"],
    ["\uffff", "it has the character U+FFFF"],
    ["a\ufffdb", "it is not text in UTF-8"],
  ])("refuses %j", (text, sentence) => {
    expect(() => writePlist({ list: [{ key: text }] })).toThrow(sentence);
    expect(() => writePlist({ [text]: "value" })).toThrow(sentence);
  });

  test.skipIf(plistutil === null)("agrees with plistutil of libplist-utils on any text", async () => {
    const foreign = /[^\t\n\r -\ud7ff\ue000-\ufffc\u{10000}-\u{10ffff}]/gu;
    const text = fc.string({ unit: "binary" }).map((text) => text.replace(foreign, ""));
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 50 }), async (texts) => {
        const dictionary = { Label: "a", ProgramArguments: texts };
        expect(readPlist(await convert(encode(writePlist(dictionary)), "bin"))).toEqual(dictionary);
      }),
      { seed, numRuns: 20 },
    );
  });

  test.skipIf(plistutil === null)("agrees with plistutil of libplist-utils on 10,000 arguments", async () => {
    const words = Array.from({ length: 10_000 }, (_, index) => `argument ${index} <&>`);
    const dictionary = { Label: "a", ProgramArguments: words };
    expect(readPlist(await convert(encode(writePlist(dictionary)), "bin"))).toEqual(dictionary);
  });
});

describe("readPlist", () => {
  test.skipIf(plistutil === null)("reads what plistutil of libplist-utils writes, binary and XML", async () => {
    const bytes = encode(writePlist(difficult));
    const binary = await convert(bytes, "bin");
    expect(new TextDecoder("latin1").decode(binary.subarray(0, 8))).toBe("bplist00");
    expect(readPlist(binary)).toEqual(difficult);
    // libplist writes a carriage return as itself, which XML then reads as a line feed.
    const withoutReturn: Dictionary = { ...difficult, ProgramArguments: ["&<>\"'", "two\nlines", "😀"] };
    expect(readPlist(await convert(encode(writePlist(withoutReturn)), "xml"))).toEqual(withoutReturn);
  });

  test("reads UTF-16 and a byte order mark", () => {
    const text = new TextDecoder().decode(xml("<dict><key>Label</key><string>grüße</string></dict>"));
    const utf16 = Buffer.from(`\ufeff${text.replace("UTF-8", "UTF-16")}`, "utf16le");
    expect(readPlist(utf16)).toEqual({ Label: "grüße" });
    expect(readPlist(Buffer.from(utf16).swap16())).toEqual({ Label: "grüße" });
    expect(readPlist(encode(`\ufeff${text}`))).toEqual({ Label: "grüße" });
  });

  test("reads comments and CDATA with a bare & in them", () => {
    const content = "<dict><!-- a & b --><key>Label</key><string>x<![CDATA[ & ]]>y</string></dict>";
    expect(readPlist(xml(content))).toEqual({ Label: "x & y" });
  });

  test("reads a key whole, in however many pieces it comes, and a value beside comments", () => {
    const content =
      "<dict><key>La<!-- - -->b<![CDATA[el]]></key><integer><!-- 4 -->5</integer><key/><true/><key>&#x41;&amp;\uf8ff1</key><false/></dict>";
    expect(readPlist(xml(content))).toEqual({ Label: 5, "": true, "A&\uf8ff1": false });
  });

  test("reads a key that every object has as one of its own", () => {
    const value = readPlist(xml("<dict><key>__proto__</key><dict><key>Label</key><string>a</string></dict></dict>"));
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(value.Label).toBeUndefined();
  });

  test("what stands in a DOCTYPE or a processing instruction is neither comment nor key", () => {
    const text = `<?xml version="1.0"?><?a <!-- ?><!DOCTYPE plist SYSTEM "<!--"><plist><dict><key>a</key><true/></dict></plist>`;
    expect(readPlist(encode(text))).toEqual({ a: true });
  });

  test.each([128, 200, 20_000, 200_000])("values %d deep in one another are read or refused", (depth) => {
    const nested = `<dict><key>a</key>${"<array>".repeat(depth)}${"</array>".repeat(depth)}</dict>`;
    if (depth === 128) expect(readPlist(xml(nested))).toHaveProperty("a");
    else expect(() => readPlist(xml(nested))).toThrow("its values lie deeper in one another than 128 times");
  });

  test.each([
    ["", "it is neither XML nor binary"],
    ["hello", "it is neither XML nor binary"],
    ['{ "Label": "json" }', "it is neither XML nor binary"],
    ["( openstep, list )", "it is neither XML nor binary"],
    ["<plist><dict><key>Label</dict></plist>", "(line 1)"],
    ["<plist>\n<dict>\n<key>Label</key>\n<string>a & b</string></dict></plist>", "line 4 has a bare &"],
    ["<plist><dict><key>Label</key><string>&none;</string></dict></plist>", "line 1 has a bare &"],
    ["<plist><dict><!-- never", "line 1 begins a comment that does not end"],
    ["<plist><dict>\n<![CDATA[ never", "line 2 begins a CDATA section that does not end"],
    ["<plist><!-- a -- b --><dict/></plist>", "line 1 begins a comment with -- in it"],
    ["<!DOCTYPE plist [<!ENTITY a 'b'>]><plist><dict/></plist>", "line 1 has a DOCTYPE with declarations in it"],
    ["<plist>\n<!--\n-->\n\n<dict>\n<key>a</key>\n</array></plist>", "(line 6)"],
    ["<plist><!--\n\n--><dict><![CDATA[\n]]><key>a</key><string>&</string></dict></plist>", "line 4 has a bare &"],
    ["<plist><dict><key><b>a</b></key><true/></dict></plist>", "it has a <key> with something else than text in it"],
    ["<plist><dict/></plist>trailing", "Extra content"],
    ["<plist><dict><string>value</string></dict></plist>", "Missing key"],
    ["<html><body/></html>", "First element should be <plist>"],
    ["<plist><array/></plist>", "its outermost value is not a dictionary"],
    ["<plist><string>text</string></plist>", "its outermost value is not a dictionary"],
    ["<plist></plist>", "its outermost value is not a dictionary"],
    ["bplist00", "its binary form is damaged"],
    ["bplist00 and something else that is long enough to have a trailer", "its binary form is damaged"],
  ])("refuses %j without printing anything", (text, sentence) => {
    const print = spyOn(console, "error");
    expect(() => readPlist(encode(text))).toThrow(sentence);
    expect(print).not.toHaveBeenCalled();
    print.mockRestore();
  });

  test("refuses what is no UTF-8, and what is far too large", () => {
    expect(() => readPlist(Uint8Array.of(0x3c, 0xff, 0xff))).toThrow("it is not text in UTF-8");
    expect(() => readPlist(new Uint8Array(maxBytes + 1))).toThrow("it has more than 16 MB");
  });

  test("never throws anything but a sentence, whatever the bytes", () => {
    const valid = Buffer.from(writePlist(difficult));
    const damaged = fc
      .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
      .map((changes) => {
        const bytes = Buffer.from(valid);
        for (const [at, byte] of changes) bytes[at] = byte;
        return bytes;
      });
    const binary = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([Buffer.from("bplist00"), bytes]));
    fc.assert(
      fc.property(fc.oneof(damaged, binary), (bytes) => {
        try {
          readPlist(bytes);
        } catch (error) {
          expect(error).toHaveProperty("name", "UserError");
        }
      }),
      { seed, numRuns: 500 },
    );
  });
});
