import { afterEach, beforeEach, expect, test } from "bun:test";
import { lstatSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readState, type ServiceState } from "../../../src/service/launchd/launchctl.ts";
import { foreign } from "../../../src/service/launchd/ownership.ts";
import type { Dictionary } from "../../../src/service/plist/value.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ownership-"));
  await mkdir(join(folder, "LaunchDaemons"));
  path = join(folder, "LaunchDaemons/a.plist");
  await Bun.write(path, "");
});
afterEach(() => rm(folder, { recursive: true }));

const ours = "/usr/local/sbin/launch_socket_server";
const job = (keys: Dictionary = {}): Dictionary => ({ Label: "a", ProgramArguments: [ours, "server"], ...keys });

/** Why it is not ours, with a loaded job of this path and program and a file of these keys; null for none. */
function why(loaded: Partial<ServiceState> | null, keys: Dictionary | null): string | undefined {
  const state = readState(`\tpath = ${path}\n\tprogram = ${ours}\n`);
  const found = foreign({
    ...{ label: "a", path, disabled: false },
    loaded: loaded === null ? null : { ...state, ...loaded },
    file: keys === null ? null : { stats: lstatSync(path), job: keys, problem: "" },
  });
  return found?.why.replaceAll(folder, "FOLDER");
}

test("is nobody's where there is nothing, and ours where both run launch_socket_server from our place", async () => {
  expect(why(null, null)).toBeUndefined();
  expect(why({}, job())).toBeUndefined();
  // A plist that was removed, and one that is not loaded.
  expect(why({}, null)).toBeUndefined();
  expect(why(null, job())).toBeUndefined();
  // launchd may call the folder by what a link leads to.
  await symlink("LaunchDaemons", join(folder, "link"));
  expect(why({ path: join(folder, "link/a.plist") }, job())).toBeUndefined();
});

test.each([
  [{ path: "(submitted by smd.340)" }, "launchd has it from (submitted by smd.340), and from no file"],
  [{ path: undefined }, "launchd has it from an unknown place, and from no file"],
  [{ path: "relative.plist" }, "launchd has it from relative.plist, and from no file"],
  [{ path: "/System/Library/LaunchDaemons/a.plist" }, "which belongs to macOS"],
  [{ path: "/Library/LaunchAgents/a.plist" }, "and not from FOLDER/LaunchDaemons/a.plist"],
  [{ program: "/usr/sbin/httpd" }, "launchd runs /usr/sbin/httpd under this label"],
  [{ program: undefined }, "launchd runs something unknown under this label"],
] as [Partial<ServiceState>, string][])("is somebody else's where launchd says %j", (loaded, sentence) => {
  expect(why(loaded, job())).toContain(sentence);
});

test.each([
  [{ ProgramArguments: ["/usr/sbin/httpd", ours] }, "runs /usr/sbin/httpd"],
  [{ Program: "/usr/sbin/httpd" }, "runs /usr/sbin/httpd"],
  [{ ProgramArguments: "launch_socket_server" }, "runs nothing"],
  [{ Label: "b" }, "is the plist of b"],
] as [Dictionary, string][])("is somebody else's where the plist has %j", (keys, sentence) => {
  expect(why(null, job(keys))).toBe(`FOLDER/LaunchDaemons/a.plist ${sentence}`);
});

test("Program names what runs, whatever the arguments begin with", () => {
  expect(why(null, job({ Program: ours, ProgramArguments: ["anything", "server"] }))).toBeUndefined();
});

test("a link to launch_socket_server is ours under any name, and so is this very program", async () => {
  await Bun.write(join(folder, "launch_socket_server"), "");
  await symlink("launch_socket_server", join(folder, "relay"));
  const program = join(folder, "relay");
  expect(why({ program }, job({ ProgramArguments: [program, "server"] }))).toBeUndefined();
  expect(why({ program: process.execPath }, null)).toBeUndefined();
});
