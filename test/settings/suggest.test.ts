import { expect, test } from "bun:test";
import { byNearness, nearest } from "../../src/settings/suggest.ts";

test.each([
  ["Lable", "Label"],
  ["sockets", "Sockets"],
  ["Socket", "Sockets"],
  ["Comment", undefined],
  ["", undefined],
])("%j was meant to be %p", (name, meant) => {
  expect(nearest(name, ["Label", "Sockets", "KeepAlive"], 2)).toBe(meant);
});

test("names are sorted by how near they are", () => {
  expect(byNearness("Web", ["http", "Other", "web", "Webs"])).toEqual(["web", "Webs", "http", "Other"]);
});
