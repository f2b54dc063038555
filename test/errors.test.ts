import { describe, expect, test } from "bun:test";
import { quote, reasonOf } from "../src/errors.ts";

describe("quote", () => {
  test("puts text from outside into a sentence", () => {
    expect(quote('a "b"\n')).toBe('"a \\"b\\"\\n"');
    expect(quote("")).toBe('""');
  });

  test("leaves out the middle of what is long", () => {
    expect(quote("a".repeat(120))).toBe(`"${"a".repeat(120)}"`);
    expect(quote("a".repeat(100_000))).toBe(`"${"a".repeat(80)}…${"a".repeat(20)}"`);
  });
});

describe("reasonOf", () => {
  test("is the code, else the message, else the thing itself", () => {
    expect(reasonOf(Object.assign(new Error("message"), { code: "ENOENT" }))).toBe("ENOENT");
    expect(reasonOf(new Error("message"))).toBe("message");
    expect(reasonOf("text")).toBe("text");
  });
});
