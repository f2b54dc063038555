import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "plist";
import { Launchctl } from "../../../src/service/launchd/launchctl.ts";
import { noteOnPlist } from "../../../src/service/reload/plist-note.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "subject-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a property list that has changed since launchd loaded it is told of, and no other", async () => {
  const path = join(folder, "web.plist");
  const launchctl = join(folder, "launchctl");
  const ours = "/usr/local/sbin/launch_socket_server";
  const write = (Label: string, ...args: string[]) =>
    writeFileSync(join(folder, `${Label}.plist`), build({ Label, ProgramArguments: [ours, ...args] }));
  const lines = ["\tstate = running", `\tprogram = ${ours}`, "\targuments = {", `\t\t${ours}`, "\t\told", "\t}"];
  writeFileSync(launchctl, `#!/bin/sh\n[ "$2" = system/web ] || exit 5\ncat <<'END'\n${lines.join("\n")}\nEND\n`);
  chmodSync(launchctl, 0o755);
  const domain = { kind: "daemon", folder, name: "system" } as const;
  const reach = { uid: 0, domains: [domain], launchctlOf: () => new Launchctl(launchctl, "system") };
  write("web", "old");
  expect(await noteOnPlist("web", reach)).toBeNull();
  write("web", "new");
  expect(await noteOnPlist("web", reach)).toBe(
    `${path} has changed since launchd loaded it: --stop and --start read it, --reload does not`,
  );
  write("other", "new");
  expect([await noteOnPlist("other", reach), await noteOnPlist("missing", reach)]).toEqual([null, null]);
});
