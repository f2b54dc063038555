/** Jobs of root that an ordinary user can take over: `nobody` does it first, and the checks have to have said so. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, chown, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { PlistValue } from "../../../src/service/plist/value.ts";
import { CheckFixture } from "./fixture.ts";

const isRoot = process.getuid?.() === 0;
const fixture = new CheckFixture();

/** Whether `nobody` can run that in the folder. */
function nobodyCan(script: string): boolean {
  const command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-ec", script];
  return Bun.spawnSync(command, { cwd: folder, stdout: "ignore", stderr: "ignore" }).exitCode === 0;
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp("/tmp/takeover-");
  await chmod(folder, 0o755);
  for (const name of ["strong", "open", "shared", "groups"]) await mkdir(join(folder, name));
  await chmod(join(folder, "strong"), 0o755);
  await chmod(join(folder, "open"), 0o777);
  await chmod(join(folder, "shared"), 0o1777);
  await chown(join(folder, "groups"), 0, 65_534);
  await chmod(join(folder, "groups"), 0o775);
  for (const name of ["strong/file", "open/file", "shared/file", "groups/file", "strong/theirs"]) {
    await Bun.write(join(folder, name), "");
    await chmod(join(folder, name), 0o644);
  }
  await chown(join(folder, "strong/theirs"), 65_534, 65_534);
  await symlink("../open/file", join(folder, "strong/link"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Changes = { [key: string]: PlistValue };
const at = (name: string) => join(folder, name);
const program = (...words: string[]) => ({
  ProgramArguments: [
    join(fixture.folder, "bin/launch_socket_server"),
    join(fixture.folder, "bin/server"),
    ...words.map((word) => word.replace("@", folder)),
  ],
});
const named = (name: string, variables: Changes = {}) => ({
  ProgramArguments: [join(fixture.folder, "bin/launch_socket_server"), name],
  EnvironmentVariables: variables,
});

/** Errors of a job of root, each as `key: what ordinary users can change`. */
async function errors(changes: Changes, user: { UserName?: string } = { UserName: "root" }): Promise<string[]> {
  const found = await fixture.check(fixture.job({ ...changes, UserName: user.UserName }));
  return found
    .filter(({ severity, key }) => severity === "error" && key !== "UserName")
    .map(({ key, why }) =>
      `${key}: ${why.replace(/.* ordinary users can change |^others may write to |, so they can put .*/g, "")}`.replaceAll(
        folder,
        "@",
      ),
    );
}

describe.skipIf(!isRoot)("a job of root (for root)", () => {
  const target = (path: string): Changes => ({ EnvironmentVariables: { LAUNCH_PROGRAM_SOCKET_PATH: at(path) } });
  const socket = (path: string): Changes => ({ Sockets: { Socket: { SockPathName: at(path) } } });

  test.each<[string, string, () => Changes, string]>([
    [
      "log in an open folder",
      "ln -sf /etc/shadow open/log",
      () => ({ StandardErrorPath: at("open/log") }),
      "StandardErrorPath: @/open",
    ],
    [
      "log that is there",
      "ln -sf /etc/shadow open/file",
      () => ({ StandardOutPath: at("open/file") }),
      "StandardOutPath: @/open",
    ],
    [
      "log in a sticky folder",
      "ln -s /etc/shadow shared/log",
      () => ({ StandardErrorPath: at("shared/log") }),
      "StandardErrorPath: @/shared",
    ],
    [
      "log in a group's folder",
      "ln -s /etc/shadow groups/log",
      () => ({ StandardErrorPath: at("groups/log") }),
      "StandardErrorPath: @/groups",
    ],
    [
      "log by a link",
      "ln -sf /etc/shadow open/file",
      () => ({ StandardErrorPath: at("strong/link") }),
      "StandardErrorPath: @/open",
    ],
    [
      "input of theirs",
      "echo rm > strong/theirs",
      () => ({ StandardInPath: at("strong/theirs") }),
      "StandardInPath: @/strong/theirs",
    ],
    [
      "input to come",
      "echo rm > shared/input",
      () => ({ StandardInPath: at("shared/input") }),
      "StandardInPath: @/shared",
    ],
    [
      "script of theirs",
      "echo rm > strong/theirs",
      () => program("@/strong/theirs"),
      "ProgramArguments[2]: @/strong/theirs",
    ],
    [
      "script in an open folder",
      "mv open/file open/away",
      () => program("-x", "@/open/file"),
      "ProgramArguments[3]: @/open",
    ],
    ["script by a link", "mv open/file open/away", () => program("@/strong/link"), "ProgramArguments[2]: @/open"],
    [
      "configuration",
      "echo rm > strong/theirs",
      () => program("--config=@/strong/theirs"),
      "ProgramArguments[2]: @/strong/theirs",
    ],
    ["working folder", "touch open/.env", () => ({ WorkingDirectory: at("open") }), "WorkingDirectory: @/open"],
    [
      "sticky working folder",
      "touch shared/.env",
      () => ({ WorkingDirectory: at("shared") }),
      "WorkingDirectory: @/shared",
    ],
    [
      "folder of PATH",
      "touch open/sh",
      () => named("sh", { PATH: `${at("open")}:/usr/bin:/bin` }),
      "EnvironmentVariables.PATH: @/open",
    ],
    [
      "sticky folder of PATH",
      "touch shared/sh",
      () => named("sh", { PATH: `${at("shared")}:/bin` }),
      "EnvironmentVariables.PATH: @/shared",
    ],
    [
      "folder of PATH to come",
      "mkdir shared/bin",
      () => named("sh", { PATH: `${at("shared/bin")}:/bin` }),
      "EnvironmentVariables.PATH: @/shared",
    ],
    [
      "library",
      "mv open/file open/away",
      () => ({ EnvironmentVariables: { DYLD_INSERT_LIBRARIES: `/bin/sh:${at("open/file")}` } }),
      "EnvironmentVariables.DYLD_INSERT_LIBRARIES: @/open",
    ],
    [
      "folder of libraries",
      "touch groups/libz.so",
      () => ({ EnvironmentVariables: { LD_LIBRARY_PATH: at("groups") } }),
      "EnvironmentVariables.LD_LIBRARY_PATH: @/groups",
    ],
    [
      "library to come",
      "touch shared/a.so",
      () => ({ EnvironmentVariables: { LD_PRELOAD: `${at("shared/a.so")} /b.so` } }),
      "EnvironmentVariables.LD_PRELOAD: @/shared",
    ],
    [
      "target's folder",
      "mkfifo open/socket",
      () => target("open/socket"),
      "EnvironmentVariables.LAUNCH_PROGRAM_SOCKET_PATH: @/open",
    ],
    [
      "target's sticky folder",
      "mkfifo shared/socket",
      () => target("shared/socket"),
      "EnvironmentVariables.LAUNCH_PROGRAM_SOCKET_PATH: @/shared",
    ],
    ["socket's folder", "mkfifo groups/socket", () => socket("groups/socket"), "Sockets.Socket.SockPathName: @/groups"],
  ])("has no %s that ordinary users can change", async (_, attack, changes, finding) => {
    const found = await errors(changes());
    // A daemon without UserName is root's as well.
    const foundWithout = await errors(changes(), {});
    expect(nobodyCan(attack)).toBe(true);
    expect({ found, foundWithout }).toEqual({ found: [finding], foundWithout: [finding] });
  });

  test("may have all of them where only root may change them", async () => {
    const changes = {
      StandardErrorPath: at("strong/log"),
      StandardOutPath: at("strong/theirs"),
      StandardInPath: "/dev/null",
      WorkingDirectory: at("strong"),
      ...program("@/strong/file", "@/nothing/here", "--listen=none", "-"),
      EnvironmentVariables: {
        PATH: `${at("strong")}:/usr/bin:/bin`,
        DYLD_LIBRARY_PATH: "/usr/lib",
        DYLD_PRINT_LIBRARIES: "1",
        LAUNCH_PROGRAM_SOCKET_PATH: at("strong/socket"),
      },
    };
    for (const attack of ["touch strong/log", "echo > strong/file", "rm strong/file", "touch strong/a"]) {
      expect(nobodyCan(attack)).toBe(false);
    }
    expect(await errors(changes)).toEqual([]);
  });

  test("is found where root's name is looked for only up to where it is", async () => {
    expect(await errors(named("sh", { PATH: `/usr/bin:/bin:${at("open")}` }))).toEqual([]);
  });

  test("has a socket of launchd's in a sticky folder, where nobody can replace it", async () => {
    expect(await errors(socket("shared/socket"))).toEqual([]);
  });

  test("says what to do: never to close a folder that everybody shares", async () => {
    const fixes = async (changes: Changes) =>
      (await fixture.check(fixture.job({ ...changes, UserName: "root" })))
        .filter(({ severity }) => severity === "error")
        .map(({ fix }) => fix);
    expect(await fixes({ StandardErrorPath: at("shared/log") })).toEqual([
      "name a UserName, or choose a folder that only root may write to",
    ]);
    const open = at("open");
    expect(await fixes({ StandardErrorPath: at("open/log") })).toEqual([
      `name a UserName, or make ${open} root's own: sudo chown root ${open}; sudo chmod go-w ${open}`,
    ]);
    await Bun.$`sh -c ${`chown root ${open}; chmod go-w ${open}`}`;
    expect(nobodyCan("touch open/log")).toBe(false);
    expect(await errors({ StandardErrorPath: at("open/log") })).toEqual([]);
  });

  test("is no job of another user, nor an agent", async () => {
    const changes = { ...program("@/strong/theirs"), WorkingDirectory: at("open"), StandardInPath: at("open/file") };
    expect(await fixture.findings({ ...changes, UserName: "sam" })).toEqual([]);
    const agent = fixture.job(changes);
    agent.UserName = undefined as never;
    expect(await fixture.check(JSON.parse(JSON.stringify(agent)), { kind: "agent" })).toEqual([]);
  });
});
