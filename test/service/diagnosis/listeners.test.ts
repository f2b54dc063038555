import { expect, test } from "bun:test";
import { parseAddress } from "../../../src/address.ts";
import { holderOf, readListeners } from "../../../src/service/diagnosis/listeners.ts";

/** The form of `lsof -nP -iTCP -sTCP:LISTEN -F pcn` (lsof(8), OUTPUT FOR OTHER PROGRAMS): `f` always comes, too. */
const text = [
  ...["p1", "claunchd", "f22", "n127.0.0.1:80", "f23", "n*:22", "f24", "n*:22"],
  ...["p345", "chttpd", "f4", "n*:8080", "f6", "n127.0.0.1:443"],
  ...["p346", "cGoogle\\x20Chrome", "f7", "n[::1]:9000"],
  "",
].join("\n");
const listeners = readListeners(text);

test("reads what lsof says", () => {
  expect(listeners).toHaveLength(6);
  expect(listeners[0]).toEqual({ pid: 1, command: "launchd", address: "127.0.0.1:80" });
  expect(listeners.at(-1)).toEqual({ pid: 346, command: "Google Chrome", address: "[::1]:9000" });
  expect(readListeners("")).toEqual([]);
});

test.each([
  ["127.0.0.1:443", null, "httpd"],
  ["127.0.0.1:443", 345, null],
  ["127.0.0.1:80", null, null],
  ["[::1]:9000", null, "Google Chrome"],
  ["127.0.0.1:9000", null, null],
  // One for all addresses leaves a single one free.
  ["127.0.0.1:8080", null, null],
  ["0.0.0.0:8080", null, "httpd"],
  [":8080", null, "httpd"],
  // What is bound to a single address gets its connections.
  ["0.0.0.0:443", null, "httpd"],
  ["0.0.0.0:22", null, null],
  ["/tmp/a.sock", null, null],
] as const)("%s for the service of pid %j is held by %j", (address, pid, command) => {
  expect(holderOf(parseAddress(address), listeners, pid)?.command ?? null).toBe(command);
});
