import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sign } from "../../scripts/sign.ts";
import { findProblems } from "../../scripts/verify-signature.ts";
import { CODE_LIMIT, compileForMac, TINY, tinyExecutable } from "../support/macho.ts";
import { randomNumbers } from "../support/seed.ts";

const IDENTIFIER = "launch_socket_server";
const DIRECTORY = CODE_LIMIT + 20;
const problemsOf = (bytes: Uint8Array) => findProblems(bytes, IDENTIFIER);
const signedTiny = () => sign(tinyExecutable(), IDENTIFIER);

/** Recomputes the hash of one page, as somebody would who forges more than the page. */
function rehash(signed: Uint8Array, page: number): void {
  const view = new DataView(signed.buffer, DIRECTORY);
  const content = signed.subarray(page * 4096, Math.min((page + 1) * 4096, view.getUint32(32)));
  signed.set(Bun.CryptoHasher.hash("sha256", content), DIRECTORY + view.getUint32(16) + page * 32);
}

describe("a tiny signed executable", () => {
  test("is found valid", () => {
    expect(problemsOf(signedTiny())).toEqual([]);
  });

  test("with a flipped bit in any byte is not", () => {
    const { below } = randomNumbers();
    const signed = signedTiny();
    const unnoticed = [...signed.keys()].filter((i) => {
      const flipped = signed.slice();
      flipped[i] = (flipped[i] ?? 0) ^ (1 << below(8));
      return problemsOf(flipped).length === 0;
    });
    expect(unnoticed).toEqual([]);
  });

  test("cut off at any byte is not", () => {
    const signed = signedTiny();
    const unnoticed = [...signed.keys()].filter((length) => problemsOf(signed.slice(0, length)).length === 0);
    expect(unnoticed).toEqual([]);
  });

  test("names the page whose content changed", () => {
    const signed = signedTiny();
    signed[0x4230 - 1] = (signed[0x4230 - 1] ?? 0) ^ 1;
    expect(problemsOf(signed)).toEqual(["1 of 5 pages do not match their hashes, the first at byte 16384"]);
  });

  test.each([1, 16, 4096])("with a stale tail of %d bytes is not", (tail) => {
    const signed = signedTiny();
    const longer = new Uint8Array(signed.length + tail);
    longer.set(signed);
    expect(problemsOf(longer)).toContain(
      `__LINKEDIT ends at byte ${signed.length} but the file at byte ${longer.length}`,
    );
  });

  test("with a stale tail that the load commands and the hashes cover is not", () => {
    const signed = signedTiny();
    const longer = new Uint8Array(signed.length + 32);
    longer.set(signed);
    const view = new DataView(longer.buffer);
    view.setUint32(TINY.signature + 12, longer.length - CODE_LIMIT, true);
    view.setBigUint64(TINY.linkedit + 48, BigInt(longer.length - 0x4000), true);
    rehash(longer, 0);
    expect(problemsOf(longer)).toEqual(["32 bytes follow the SuperBlob"]);
  });

  test.each([-256, -16, -1, 1, 16, 256])(
    "with a code limit that is wrong by %d is not, though the hashes fit it",
    (difference) => {
      const signed = signedTiny();
      new DataView(signed.buffer).setUint32(DIRECTORY + 32, CODE_LIMIT + difference);
      rehash(signed, 4);
      expect(problemsOf(signed)).toEqual([
        `the CodeDirectory's code limit is ${CODE_LIMIT + difference} instead of ${CODE_LIMIT}`,
      ]);
    },
  );

  test("with a code limit that is a page too low or too high is not", () => {
    for (const difference of [-4096, 4096]) {
      const signed = signedTiny();
      new DataView(signed.buffer).setUint32(DIRECTORY + 32, CODE_LIMIT + difference);
      expect(problemsOf(signed).join()).toContain("code limit is");
    }
  });

  test("with a CMS blob left over is not", () => {
    const signed = signedTiny();
    // An empty CMS wrapper of eight bytes and its index entry, everything else adjusted to it.
    const added = new Uint8Array(signed.length + 16);
    added.set(signed.subarray(0, DIRECTORY));
    added.set(signed.subarray(DIRECTORY), DIRECTORY + 8);
    const size = added.length - CODE_LIMIT;
    const blob = new DataView(added.buffer, CODE_LIMIT);
    [0xfade0cc0, size, 2, 0, 28, 0x10000, size - 8].forEach((field, i) => {
      blob.setUint32(i * 4, field);
    });
    blob.setUint32(size - 8, 0xfade0b01);
    blob.setUint32(size - 4, 8);
    const view = new DataView(added.buffer);
    view.setUint32(TINY.signature + 12, size, true);
    view.setBigUint64(TINY.linkedit + 48, BigInt(added.length - 0x4000), true);
    const hashes = DIRECTORY + 8 + blob.getUint32(28 + 16);
    added.set(Bun.CryptoHasher.hash("sha256", added.subarray(0, 4096)), hashes);
    expect(problemsOf(added)).toEqual(["there is a CMS blob in slot 0x10000, where an ad-hoc signature has none"]);
  });

  for (const [what, flags] of [
    ["the hardened runtime", 0x10002],
    ["the linker's mark", 0x20002],
    ["no ad-hoc mark", 0],
  ] as const) {
    test(`with ${what} among its flags is not`, () => {
      const signed = signedTiny();
      new DataView(signed.buffer).setUint32(DIRECTORY + 12, flags);
      expect(problemsOf(signed)).toEqual([`the CodeDirectory's flags is 0x${flags.toString(16)} instead of 0x2`]);
    });
  }

  test("under another name is not", () => {
    expect(problemsOf(sign(tinyExecutable(), "a.out"))).toEqual([
      'the CodeDirectory\'s identifier is "a.out" instead of "launch_socket_server"',
    ]);
  });

  test("whose symbol table reaches into the signature is not", () => {
    const program = tinyExecutable();
    new DataView(program.buffer).setUint32(TINY.symtab + 20, CODE_LIMIT - 0x4040 + 1, true);
    expect(problemsOf(sign(program, IDENTIFIER))).toEqual(["what load command 0x2 points at lies outside __LINKEDIT"]);
  });
});

describe("what Bun compiles", () => {
  let folder: string;
  let arm64: Uint8Array;
  let x64: Uint8Array;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "verify-signature-"));
    arm64 = await compileForMac("darwin-arm64", folder);
    x64 = await compileForMac("darwin-x64", folder);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("has right hashes for darwin-arm64: a signer that is not ours agrees on every page", () => {
    expect(findProblems(arm64, "a.out")).toEqual(["the CodeDirectory's flags is 0x20002 instead of 0x2"]);
  });

  test("has the runtime's broken signature for darwin-x64", () => {
    const problems = problemsOf(x64).join("\n");
    expect(problems).toContain("there is a CMS blob in slot 0x10000");
    expect(problems).toContain("the CodeDirectory's flags is 0x10000 instead of 0x2");
    expect(problems).toMatch(/\d+ of \d+ pages do not match their hashes/);
  });

  test("is found damaged after one flipped bit anywhere, once it is signed", () => {
    const { below } = randomNumbers();
    for (const compiled of [arm64, x64]) {
      const signed = sign(compiled, IDENTIFIER);
      expect(problemsOf(signed)).toEqual([]);
      const places = [0, signed.length - 1, ...Array.from({ length: 8 }, () => below(signed.length))];
      for (const place of places) {
        const original = signed[place] ?? 0;
        signed[place] = original ^ (1 << below(8));
        expect({ place, problems: problemsOf(signed).length > 0 }).toEqual({ place, problems: true });
        signed[place] = original;
      }
    }
  });
});
