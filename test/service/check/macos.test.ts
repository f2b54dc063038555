import { describe, expect, test } from "bun:test";
import { chmod, chown } from "node:fs/promises";
import { join } from "node:path";
import { CheckFixture } from "./fixture.ts";

const fixture = new CheckFixture();
const bin = (name: string) => join(fixture.folder, "bin", name);
const run = (...words: string[]) => ({ ProgramArguments: [bin("launch_socket_server"), ...words] });

describe("folders that macOS keeps background jobs out of", () => {
  const why = (folder: string) =>
    `macOS keeps background jobs out of /Users/sam/${folder} (EPERM) until they are given Full Disk Access, whoever owns it`;

  test.each([
    ["WorkingDirectory", "Documents", () => ({ WorkingDirectory: "/Users/sam/Documents/web" })],
    ["StandardErrorPath", "Desktop", () => ({ StandardErrorPath: "/Users/sam/Desktop/log" })],
    ["ProgramArguments[1]", "Downloads", () => run("/Users/sam/Downloads/server")],
    [
      "ProgramArguments[2]",
      "Library/Mobile Documents",
      () => run(bin("server"), "/Users/sam/Library/Mobile Documents/a"),
    ],
    [
      "EnvironmentVariables.LAUNCH_PROGRAM_SOCKET_PATH",
      "Documents",
      () => ({ EnvironmentVariables: { LAUNCH_PROGRAM_SOCKET_PATH: "/Users/sam/Documents/socket" } }),
    ],
  ])("are noted: %s in %s", async (key, folder, changes) => {
    expect(await fixture.findings(changes())).toContain(`note ${key}: ${why(folder)}`);
  });

  test("are found by a way from the working folder, and told once where that is in them", async () => {
    const found = async (WorkingDirectory: string, word: string) =>
      (await fixture.findings({ WorkingDirectory, ...run(bin("server"), word) }, { portable: true })).map(
        (finding) => finding.split(":")[0],
      );
    expect(await found("/Users/sam/Sites", "../Documents/a")).toEqual(["note ProgramArguments[2]"]);
    expect(await found("/Users/sam/Sites", "--data=/Users/sam/Documents/a")).toEqual(["note ProgramArguments[2]"]);
    expect(await found("/Users/sam/Sites", "a")).toEqual([]);
    expect(await found("/Users/sam/Documents", "a")).toEqual(["note WorkingDirectory"]);
  });

  test("are not others", async () => {
    const changes = { ...run(bin("server"), "/Users/sam/Library/web"), StandardInPath: "/Users/sam/Music/a" };
    expect((await fixture.findings(changes)).filter((finding) => finding.includes("macOS"))).toEqual([]);
  });
});

test.skipIf(process.getuid?.() !== 0)("another user's home is noted, wherever the job uses it (for root)", async () => {
  const homes = join(fixture.folder, "Users");
  fixture.machine.homes = homes;
  for (const [name, uid] of Object.entries({ ann: 60_502, sam: 60_501, Shared: 0 })) {
    await Bun.write(join(homes, name, "server"), "#!/bin/sh\n");
    await chmod(join(homes, name, "server"), 0o755);
    await chown(join(homes, name), uid, 60_020);
  }
  const notes = async (changes: Parameters<CheckFixture["job"]>[0]) => await fixture.findings(changes);
  const note = (key: string, path: string) =>
    `note ${key}: ${path.replace(fixture.folder, "FOLDER")} is in the home of ann, and the job runs as sam`;
  const ann = join(homes, "ann/server");
  expect(await notes(run(ann, "--data", ann))).toEqual([
    note("ProgramArguments[1]", ann),
    note("ProgramArguments[3]", ann),
  ]);
  expect(await notes({ WorkingDirectory: join(homes, "ann") })).toEqual([note("WorkingDirectory", join(homes, "ann"))]);
  expect(await notes({ WorkingDirectory: join(homes, "ann"), ...run(bin("server"), "server") })).toHaveLength(1);
  expect(await notes(run(join(homes, "sam/server"), join(homes, "Shared/server"), homes))).toEqual([]);
});

describe("the local network", () => {
  const note = (host: string, kind: "agent" | "daemon") =>
    fixture
      .findings({ UserName: undefined, EnvironmentVariables: { LAUNCH_PROGRAM_TCP_ADDRESS: `${host}:8080` } }, { kind })
      .then((found) => found.filter((finding) => finding.includes("EHOSTUNREACH")));

  test("is noted in an agent that relays to an address in it", async () => {
    expect(await note("192.168.0.7", "agent")).toEqual([
      "note EnvironmentVariables.LAUNCH_PROGRAM_TCP_ADDRESS: since macOS 15 an agent gets EHOSTUNREACH from the local network until its user allows it, and 192.168.0.7:8080 may be there",
    ]);
  });

  test.each(["127.0.0.1", "[::1]", "localhost", "192.0.2.7", ""])("is not this machine: %p", async (host) => {
    expect(await note(host, "agent")).toEqual([]);
  });

  test("is open to a daemon", async () => {
    expect(await note("192.168.0.7", "daemon")).toEqual([]);
  });
});

describe("variables of the dynamic linker", () => {
  const notes = async (...words: string[]) =>
    fixture.findings({ ...run(...words), EnvironmentVariables: { DYLD_LIBRARY_PATH: "/opt/lib", PATH: "/bin" } });
  const note = (through: string) =>
    `note EnvironmentVariables.DYLD_LIBRARY_PATH: macOS takes it from what ${through} starts, since System Integrity Protection covers the system's own programs`;

  test("do not pass the login shell, the system's programs, and scripts that these interpret", async () => {
    expect(await notes(bin("login_wrapper"), "server")).toEqual([note("login_wrapper")]);
    expect(await notes("/bin/sh", "-c", "server")).toEqual([note("/bin/sh")]);
    expect(await notes(bin("server"))).toEqual([note("/bin/sh")]);
    await Bun.write(bin("server"), "#! /usr/bin/env sh\n");
    expect(await notes(bin("server"))).toEqual([note("/usr/bin/env")]);
  });

  test("reach a server of one's own", async () => {
    await Bun.write(bin("node"), "\x7fELF\0");
    await Bun.write(bin("server"), `#!${bin("node")}\n`);
    for (const name of ["node", "server"]) await chmod(bin(name), 0o755);
    expect(await notes(bin("server"))).toEqual([]);
    await Bun.write(bin("server"), "\x7fELF\0");
    expect(await notes(bin("server"))).toEqual([]);
  });
});

test("the firewall's question is part of what to do about an open port, about the program that accepts", async () => {
  const open = { Sockets: { Socket: { SockNodeName: "0.0.0.0", SockServiceName: "80" } } };
  const fix = async (changes: Parameters<CheckFixture["job"]>[0]) =>
    (await fixture.check(fixture.job({ ...open, ...changes }))).map(({ fix }) => fix);
  const advice = (program: string) =>
    `write 127.0.0.1 if it need not be, or have the firewall let it in, which asks again after each upgrade: sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblockapp ${program}`;
  expect(await fix({})).toEqual([advice(bin("launch_socket_server"))]);
  expect(await fix(run("--pass-sockets", bin("server")))).toEqual([advice(bin("server"))]);
});
