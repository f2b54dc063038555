import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMachO } from "../../scripts/macho.ts";
import { sign } from "../../scripts/sign.ts";
import { runIn } from "../support/checkout.ts";
import { compileForMac, TINY, tinyExecutable } from "../support/macho.ts";
import { peer } from "../support/peers.ts";

const objdump = peer("llvm-objdump", "llvm");

/** One `Load command` paragraph of `llvm-objdump --macho --private-headers`: its first value for each key. */
function readParagraphs(report: string): Map<string, string>[] {
  return report
    .split(/^Load command \d+$/m)
    .slice(1)
    .map((paragraph) => {
      const fields = new Map<string, string>();
      for (const [, key, value] of paragraph.matchAll(/^ *(\w+) (\S+)$/gm))
        if (key !== undefined && value !== undefined && !fields.has(key)) fields.set(key, value);
      return fields;
    });
}

describe.skipIf(objdump === null)("readMachO and llvm-objdump (Debian package llvm)", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "macho-"));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(["darwin-arm64", "darwin-x64"] as const)(
    "agree on the load commands of the signed %s program",
    async (target) => {
      const signed = sign(await compileForMac(target, folder), "launch_socket_server");
      const path = join(folder, target, "signed");
      await Bun.write(path, signed);
      const reader = await runIn(".", [objdump ?? "", "--macho", "--private-headers", path]);
      expect({ status: reader.status, stderr: reader.stderr }).toEqual({ status: 0, stderr: "" });

      const { commands, segments, ranges } = readMachO(signed);
      const paragraphs = readParagraphs(reader.stdout);
      const number = (fields: Map<string, string>, key: string) => Number(fields.get(key) ?? Number.NaN);
      expect(paragraphs.map((fields) => number(fields, "cmdsize"))).toEqual(commands.map(({ size }) => size));
      expect(
        paragraphs
          .filter((fields) => fields.get("cmd") === "LC_SEGMENT_64")
          .map((fields) => ({
            name: fields.get("segname"),
            ...Object.fromEntries(["vmaddr", "vmsize", "fileoff", "filesize"].map((key) => [key, number(fields, key)])),
          })),
      ).toEqual(segments.map(({ command: _, ...segment }) => segment));
      const found = paragraphs.flatMap((fields) => {
        if (fields.has("dataoff")) return [[number(fields, "dataoff"), number(fields, "datasize")]];
        if (fields.has("stroff"))
          return [
            [number(fields, "symoff"), number(fields, "nsyms") * 16],
            [number(fields, "stroff"), number(fields, "strsize")],
          ];
        if (fields.has("nindirectsyms"))
          return [[number(fields, "indirectsymoff"), number(fields, "nindirectsyms") * 4]];
        return [];
      });
      expect(found).toEqual(ranges.map(({ offset, size }) => [offset, size]));
      expect(paragraphs.at(-1)?.get("cmd")).toBe("LC_CODE_SIGNATURE");
    },
  );
});

describe("readMachO", () => {
  const broken = (change: (view: DataView) => void) => {
    const program = tinyExecutable();
    change(new DataView(program.buffer));
    return () => readMachO(program);
  };

  test("refuses what is not a 64-bit Mach-O file for one of Apple's processors", () => {
    expect(() => readMachO(new Uint8Array(31))).toThrow("too short");
    expect(() => readMachO(new Uint8Array(64))).toThrow("not a 64-bit Mach-O file");
    expect(broken((view) => view.setUint32(4, 7, true))).toThrow("neither x86_64 nor arm64");
  });

  test("refuses load commands that reach beyond their space", () => {
    expect(broken((view) => view.setUint32(20, 0x10000, true))).toThrow("beyond the end of the file");
    expect(broken((view) => view.setUint32(16, 5, true))).toThrow("load command 4 lies outside");
    expect(broken((view) => view.setUint32(16, 3, true))).toThrow("do not fill the space");
  });

  test("refuses a load command of an impossible size", () => {
    for (const size of [0, 8, 12, 15, 24])
      expect(broken((view) => view.setUint32(TINY.signature + 4, size, true))).toThrow("impossible size");
  });
});
