import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "plist";
import { Launchctl } from "../../../src/service/launchd/launchctl.ts";
import { standingOf, survey } from "../../../src/service/launchd/survey.ts";

let folder: string;
let launchctl: Launchctl;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "survey-"));
  await mkdir(join(folder, "LaunchDaemons"));
  const program = join(folder, "launchctl");
  // The nth print of a label says what is in LABEL.n, or the last; each call is noted.
  await Bun.write(
    program,
    `#!/bin/sh
echo "$*" >> ${folder}/calls
if [ "$1" = print-disabled ]; then printf '\\t\\t"off" => disabled\\n'; exit; fi
label=\${2#system/}
[ "$label" = alien ] && { echo 'Not privileged' >&2; exit 1; }
for file in ${folder}/$label.*; do
  [ -e "$file" ] || exit 113
  cat "$file"
  [ "$(ls ${folder}/$label.* | wc -l)" -gt 1 ] && rm "$file"
  exit 0
done
`,
  );
  await chmod(program, 0o755);
  launchctl = new Launchctl(program, "system");
});
afterEach(() => rm(folder, { recursive: true }));

const prints = (label: string, number: number, ...lines: string[]) =>
  Bun.write(join(folder, `${label}.${number}`), lines.map((line) => `\t${line}\n`).join(""));
const calls = async () => (await Bun.file(join(folder, "calls")).text()).trim().split("\n").sort();

test("a service whose process has ended since launchd named it is asked for again", async () => {
  // Above the greatest pid of both systems.
  await prints("web", 1, "state = running", "pid = 99999999", "runs = 3", "last exit code = 1");
  await prints("web", 2, "state = spawn scheduled", "runs = 3", "last exit code = 1");
  expect(await standingOf("web", launchctl)).toMatchObject({ state: "keeps failing", problem: null });
  expect(await calls()).toEqual(["print system/web", "print system/web", "print-disabled system"]);
});

test("one that has run on since its last failure runs", async () => {
  const lines = ["state = running", `pid = ${process.pid}`, "runs = 3", "last exit code = 1", "minimum runtime = 0"];
  await prints("web", 1, ...lines);
  expect(await standingOf("web", launchctl)).toMatchObject({ state: "running" });
});

test("survey asks once for each service and once for each domain, and tells where launchd does not answer", async () => {
  const daemons = { kind: "daemon", folder: join(folder, "LaunchDaemons"), name: "system" } as const;
  for (const Label of ["web", "off", "alien"]) {
    const ProgramArguments = ["/usr/local/sbin/launch_socket_server", "server"];
    await Bun.write(join(daemons.folder, `${Label}.plist`), build({ Label, ProgramArguments }));
  }
  await prints("web", 1, "state = not running", "runs = 0", "last exit code = (never exited)");
  const found = await survey({ uid: 0, domains: [daemons], launchctlOf: () => launchctl });
  expect(found.map(({ label, state, problem }) => [label, state, problem])).toEqual([
    ["alien", null, "cannot ask launchd for alien: Not privileged (launchctl print: exit status 1)"],
    ["off", "disabled", null],
    ["web", "waiting for a connection", null],
  ]);
  expect(await calls()).toEqual([
    "print system/alien",
    "print system/off",
    "print system/web",
    "print-disabled system",
  ]);
});
