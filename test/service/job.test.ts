import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describeService } from "../../src/service/description.ts";
import { serviceFlags } from "../../src/service/flags.ts";
import { jobOf, ownPath } from "../../src/service/job.ts";
import { readCommandLine, settingFlags, splitCommandLine } from "../../src/settings/command-line.ts";
import { isForShell } from "../../src/system/path-search.ts";
import { seed } from "../support/seed.ts";

const origin = { folder: "/home/sam", self: "/usr/local/sbin/launch_socket_server" };

function job(...args: string[]) {
  const { flags, rest } = splitCommandLine(args, { ...settingFlags, ...serviceFlags });
  return jobOf(describeService("com.example.web", flags, rest), origin);
}

describe("jobOf", () => {
  test("has what is needed and no more", () => {
    expect(job("--on-demand", "server")).toEqual({
      Label: "com.example.web",
      ProgramArguments: [origin.self, "server"],
      Sockets: { Socket: { SockNodeName: "127.0.0.1", SockServiceName: "80" } },
      ExitTimeOut: 9,
    });
  });

  test("has its keys in the order in which people read them", () => {
    const everything = job(
      ...["--user", "www", "--group", "staff", "--log", "web.log", "--env", "A=b", "--stop-timeout", "40s"],
      ...["--port", "80", "--port", "443", "--address", "0.0.0.0", "--keep-running", "--login-shell", "./server", "-x"],
    );
    expect(Object.entries(everything)).toEqual([
      ["Label", "com.example.web"],
      ["UserName", "www"],
      ["GroupName", "staff"],
      [
        "ProgramArguments",
        [origin.self, "/usr/local/libexec/launch_socket_server/login_wrapper", "/home/sam/server", "-x"],
      ],
      ["EnvironmentVariables", { LAUNCH_PROGRAM_STOP_TIMEOUT: "40s", A: "b" }],
      ["Sockets", { Socket: ["80", "443"].map((port) => ({ SockNodeName: "0.0.0.0", SockServiceName: port })) }],
      ["KeepAlive", true],
      ["ExitTimeOut", 45],
      ["StandardOutPath", "/home/sam/web.log"],
      ["StandardErrorPath", "/home/sam/web.log"],
    ]);
  });

  test.each([
    [[], 9],
    [["--stop-timeout", "1s"], 6],
    [["--stop-timeout", "15s"], 20],
    [["--stop-timeout", "20500ms"], 26],
    [["--env", "LAUNCH_PROGRAM_STOP_TIMEOUT=2m"], 125],
    [["--stop-timeout", "0"], 0],
    [["--pass-sockets"], 20],
  ])("%j has the ExitTimeOut %p, which is never missing", (words: string[], seconds) => {
    expect(job(...words, "server").ExitTimeOut).toBe(seconds);
  });

  test("says the same as the command line, whatever the words are", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 5 }), fc.string({ minLength: 1 }), (args, name) => {
        // What only a shell expands is refused, and has a test of its own.
        fc.pre(!name.includes("/") && name !== "-" && !isForShell(name));
        const line = ["--max-connections", "7", "--socket-name=--port", "--", name, ...args];
        const { ProgramArguments, EnvironmentVariables } = job(...line);
        const words = ProgramArguments as string[];
        const environment = EnvironmentVariables as Record<string, string>;
        const read = readCommandLine(splitCommandLine(words.slice(1), settingFlags), environment);
        expect(read.program).toEqual([name, ...args]);
        expect(read.settings).toMatchObject({ maxConnections: 7, socketName: ["--port"] });
      }),
      { seed },
    );
  });
});

describe("ownPath", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "own-path-"));
    await mkdir(join(folder, "cellar"));
    await mkdir(join(folder, "sbin"));
    await Bun.write(join(folder, "cellar/launch_socket_server"), "");
    await chmod(join(folder, "cellar/launch_socket_server"), 0o755);
    await symlink("../cellar/launch_socket_server", join(folder, "sbin/launch_socket_server"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("is found through PATH, with its link not resolved", () => {
    expect(ownPath("launch_socket_server", `/nowhere:${folder}/sbin:${folder}/cellar`, "/")).toBe(
      join(folder, "sbin/launch_socket_server"),
    );
    expect(ownPath("launch_socket_server", "sbin", folder)).toBe(join(folder, "sbin/launch_socket_server"));
  });

  test("is that of a file that can be executed, as a shell looks for it", async () => {
    for (const name of ["data", "folders/launch_socket_server"]) await mkdir(join(folder, name), { recursive: true });
    await Bun.write(join(folder, "data/launch_socket_server"), "a note");
    const path = `${folder}/data:${folder}/folders:${folder}/sbin`;
    expect(ownPath("launch_socket_server", path, "/")).toBe(join(folder, "sbin/launch_socket_server"));
  });

  test("is absolute when it was called by a path", () => {
    expect(ownPath("./sbin/launch_socket_server", undefined, folder)).toBe(join(folder, "sbin/launch_socket_server"));
    expect(ownPath("/opt/x/launch_socket_server", undefined, folder)).toBe("/opt/x/launch_socket_server");
  });

  test("is that of the process when it was called by a name of its own", () => {
    expect(ownPath("launchd-thing", "/nowhere", "/")).toBe(process.execPath);
  });
});
