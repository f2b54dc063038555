import { describe, expect, test } from "bun:test";
import { decodeAnswer, decodeRequest, encode, isStatus } from "../../src/control/protocol.ts";
import { account } from "../service/status/fixture.ts";

const status = account({
  waitingFor: "the program, which does not listen at /tmp/web.sock yet (ENOENT)",
  lastFailure: { at: "2026-01-02T03:05:00.000Z", reason: "error connecting to program" },
  reload: {
    phase: "failed",
    since: "2026-01-02T03:04:05.700Z",
    oldPid: 4712,
    newPid: null,
    connections: { before: 0, left: 0, cut: 0 },
    problem: "cannot start program",
    log: ["a line"],
  },
});

test("a message is one line, whatever its strings hold", () => {
  const line = new TextDecoder().decode(encode({ text: "two\nlines" }));
  expect(line).toBe('{"text":"two\\nlines"}\n');
  expect(decodeAnswer(line)).toEqual({ text: "two\nlines" });
});

test.each(["", "{", "null", "[]", '"status"', "{}", '{"command":"stop"}', '{"command":["status"]}'])(
  "%j is not a request",
  (line) => expect(decodeRequest(line)).toBeNull(),
);

test("a request may have fields that this version does not know", () => {
  expect(decodeRequest('{"command":"status","since":1}')).toEqual({ command: "status" });
});

test.each(["", "[]", "null", "7"])("%j is not an answer", (line) => expect(decodeAnswer(line)).toBeNull());

describe("a status", () => {
  test("comes back as it was sent, and may have more than this version knows", () => {
    const answer = decodeAnswer(new TextDecoder().decode(encode({ ...status, weather: "fine" })));
    expect(isStatus(answer)).toBe(true);
    expect(answer).toEqual({ ...status, weather: "fine" });
    expect(isStatus({ ...status, programs: [], waitingFor: null, lastFailure: null, reload: null })).toBe(true);
  });

  test.each([
    ["version", 3],
    ["pid", "4711"],
    ["label", 7],
    ["addresses", {}],
    ["addresses", [{ listen: "127.0.0.1:80" }]],
    ["programs", [{}]],
    ["programs", null],
    ["connections", { now: 1 }],
    ["bytes", null],
    ["waitingFor", undefined],
    ["lastFailure", "yesterday"],
  ])("with %s of %j is none", (field, value) => {
    expect(isStatus({ ...status, [field]: value })).toBe(false);
  });
});
