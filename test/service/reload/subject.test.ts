import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "plist";
import type { Domain } from "../../../src/service/launchd/domain.ts";
import { noteOnPlist } from "../../../src/service/reload/subject.ts";

let folder: string;
let domains: Domain[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "subject-"));
  domains = [{ kind: "daemon", folder, name: "system" }];
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a property list that was written after the daemon's start is told of, and no other", () => {
  const path = join(folder, "web.plist");
  writeFileSync(path, build({ Label: "web", ProgramArguments: ["/usr/local/sbin/launch_socket_server", "server"] }));
  utimesSync(path, 1_000, 2_000);
  const at = (seconds: number) => new Date(seconds * 1_000).toISOString();
  expect(noteOnPlist("web", at(1_999), domains)).toBe(
    `${path} was written after the start of the service, which knows nothing of that: --stop and --start take over what has changed there`,
  );
  expect([noteOnPlist("web", at(2_001), domains), noteOnPlist("other", at(1_999), domains)]).toEqual([null, null]);
  expect(noteOnPlist("web", at(1_999), [])).toBeNull();
});
