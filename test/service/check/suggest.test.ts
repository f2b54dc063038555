import { expect, test } from "bun:test";
import { nearest } from "../../../src/service/check/suggest.ts";

test.each([
  ["Lable", "Label"],
  ["sockets", "Sockets"],
  ["Socket", "Sockets"],
  ["Comment", undefined],
  ["", undefined],
])("%j was meant to be %p", (name, meant) => {
  expect(nearest(name, ["Label", "Sockets", "KeepAlive"], 2)).toBe(meant);
});
