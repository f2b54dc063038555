import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeDeafRuntime } from "../../scripts/deaf-runtime.ts";

test("every mention of the names is changed, and nothing else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "runtime-"));
  try {
    const runtime = join(folder, "bun");
    writeFileSync(
      runtime,
      "\0BUN_OPTIONSBUN_INSPECTBUN_INSPECT_NOTIFY\xff BUN_BE_BUN\0BUN_TMPDIR BUN_OPTIONS",
      "latin1",
    );
    await writeDeafRuntime(runtime, join(folder, "new", "copy"));
    const copy = Buffer.from(await Bun.file(join(folder, "new", "copy")).arrayBuffer()).toString("latin1");
    expect(copy).toBe("\0_UN_OPTIONS_UN_INSPECT_UN_INSPECT_NOTIFY\xff _UN_BE_BUN\0BUN_TMPDIR _UN_OPTIONS");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a runtime without one of the names is refused", async () => {
  expect(writeDeafRuntime(import.meta.path.replace("deaf-runtime", "archive"), "/nonexistent/copy")).rejects.toThrow(
    /does not have the name BUN_OPTIONS in it; check what this Bun obeys/,
  );
});
