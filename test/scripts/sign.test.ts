import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCodeDirectory, readSuperBlob } from "../../scripts/code-directory.ts";
import { readMachO, signedParts } from "../../scripts/macho.ts";
import { sign } from "../../scripts/sign.ts";
import { findProblems } from "../../scripts/verify-signature.ts";
import { runIn } from "../support/checkout.ts";
import { CODE_LIMIT, compileForMac, TINY, tinyExecutable } from "../support/macho.ts";

const IDENTIFIER = "launch_socket_server";
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sign-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("sign", () => {
  test("writes the same bytes for the same program, always", () => {
    // Written down once: whatever changes these bytes changes every released program.
    const hash = Bun.SHA256.hash(sign(tinyExecutable(), IDENTIFIER), "hex");
    expect(hash).toBe("f2478bf5ecfb28e40a26efdd2105519d849f43451d764660ad384460799c9703");
  });

  test("signs what it signed before without changing a byte", () => {
    const once = sign(tinyExecutable(), IDENTIFIER);
    expect(sign(once, IDENTIFIER)).toEqual(once);
  });

  test("leaves its input alone", () => {
    const program = tinyExecutable();
    sign(program, IDENTIFIER);
    expect(program).toEqual(tinyExecutable());
  });

  test("changes nothing below the code limit but the three sizes in the load commands", () => {
    const program = tinyExecutable();
    const signed = sign(program, IDENTIFIER);
    const changed = [...program.subarray(0, CODE_LIMIT).keys()].filter((i) => program[i] !== signed[i]);
    const sizes = [TINY.linkedit + 32, TINY.linkedit + 48, TINY.signature + 12];
    expect(changed.length).toBeGreaterThan(0);
    for (const i of changed) expect(sizes.some((start) => i >= start && i < start + 8)).toBe(true);
  });

  test("puts in an ad-hoc CodeDirectory and nothing else", () => {
    const signed = sign(tinyExecutable(), "some.identifier");
    const { signature } = signedParts(readMachO(signed));
    const content = signed.subarray(signature.offset);
    const { blobs, length } = readSuperBlob(content);
    expect(length).toBe(signature.size);
    expect(blobs).toEqual([{ slot: 0, offset: 20, length: length - 20 }]);
    expect(readCodeDirectory(content.subarray(20))).toMatchObject({
      version: 0x20400,
      flags: 0x2,
      identifier: "some.identifier",
      codeLimit: CODE_LIMIT,
      hashType: 2,
      pageShift: 12,
      specialSlots: 0,
      executableSegment: { base: 0, limit: 0x4000, flags: 1 },
    });
  });

  test("refuses a file without room for a signature", () => {
    const program = tinyExecutable();
    new DataView(program.buffer).setUint32(TINY.signature, 0x26, true);
    expect(() => sign(program, IDENTIFIER)).toThrow("the file has 0 code signatures instead of one");
  });

  test("refuses a file that goes on behind its signature", () => {
    const longer = new Uint8Array([...tinyExecutable(), 0]);
    expect(() => sign(longer, IDENTIFIER)).toThrow("the old signature is not the end of the file");
  });
});

describe("sign, on what Bun compiles", () => {
  test.each(["darwin-arm64", "darwin-x64"] as const)(
    "makes a valid program of %s, the same in every run",
    async (target) => {
      const compiled = await compileForMac(target, folder);
      expect(findProblems(compiled, IDENTIFIER)).not.toEqual([]);
      const signed = sign(compiled, IDENTIFIER);
      expect(findProblems(signed, IDENTIFIER)).toEqual([]);
      const again = sign(await compileForMac(target, folder), IDENTIFIER);
      expect(Bun.SHA256.hash(again, "hex")).toBe(Bun.SHA256.hash(signed, "hex"));
    },
  );
});

describe("the command", () => {
  const run = (script: string, file: string) => runIn(".", [process.execPath, `scripts/${script}.ts`, file]);

  test("signs a file in its place, which the verifier then accepts", async () => {
    const path = join(folder, "program");
    await Bun.write(path, tinyExecutable());
    await chmod(path, 0o750);
    expect((await run("verify-signature", path)).status).toBe(1);
    expect(await run("sign", path)).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await run("verify-signature", path)).toEqual({
      status: 0,
      stdout: `${path}: the signature is valid\n`,
      stderr: "",
    });
    expect((await stat(path)).mode & 0o777).toBe(0o750);
  });

  test("says in a sentence why it cannot, and leaves the file alone", async () => {
    const path = join(folder, "not-a-program");
    await Bun.write(path, "#!/bin/sh\necho this is not a Mach-O file\n");
    const before = await Bun.file(path).text();
    const { status, stderr } = await run("sign", path);
    expect(status).toBe(1);
    expect(stderr).toBe(`launch_socket_server: cannot sign ${path}: the file is not a 64-bit Mach-O file\n`);
    expect(await Bun.file(path).text()).toBe(before);
  });
});
