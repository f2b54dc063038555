import { expect, test } from "bun:test";
import type { Finding } from "../../../src/service/check/inspection.ts";
import { inJson, report } from "../../../src/service/check/report.ts";

const findings: Finding[] = [
  { severity: "note", key: "KeepAlive", why: "why", fix: "fix" },
  { severity: "error", key: "Sockets.\x1b[2J\n", why: "why", fix: "fix" },
];

test("is one line for each, errors first, that cannot steer a terminal", () => {
  expect(report("a\x07.plist", findings, false)).toBe(
    "error: Sockets.\\u001b[2J\\n: why; fix\nnote: KeepAlive: why; fix\na\\u0007.plist: 1 error, 1 note",
  );
  expect(report("a", [], true)).toBe("a: 0 errors, 0 notes");
});

test("has colours when told so", () => {
  expect(report("a", findings, true)).toStartWith("\x1b[31merror\x1b[0m: Sockets");
});

test("has the same for programs", () => {
  const { file, errors, notes, findings: list } = inJson("a", findings);
  expect({ file, errors, notes }).toEqual({ file: "a", errors: 1, notes: 1 });
  expect(list).toEqual(findings.toReversed());
});
