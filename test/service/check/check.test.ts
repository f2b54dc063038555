import { describe, expect, test } from "bun:test";
import { chmod, chown, lstat, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { kindOf } from "../../../src/service/check/check.ts";
import type { Dictionary } from "../../../src/service/plist/value.ts";
import { CheckFixture } from "./fixture.ts";

const fixture = new CheckFixture();
const isRoot = process.getuid?.() === 0;
const socket = (changes: Dictionary): Dictionary => ({
  Sockets: { Socket: { SockNodeName: "127.0.0.1", SockServiceName: "80", ...changes } },
});
/** Arguments after launch_socket_server; `@` is the folder of programs. */
const run = (...words: string[]) => ({
  ProgramArguments: ["@/launch_socket_server", ...words].map((word) => word.replace("@", join(fixture.folder, "bin"))),
});

test("finds nothing in a job without a fault, nor in an agent's without a user", async () => {
  expect(await fixture.findings({})).toEqual([]);
  expect(await fixture.findings({ UserName: undefined }, { kind: "agent" })).toEqual([]);
});

test("gives each finding a key, a reason and a fix", async () => {
  expect(await fixture.check(fixture.job(socket({ SockServiceName: "" })))).toEqual([
    {
      severity: "error",
      key: "Sockets.Socket.SockServiceName",
      why: "it is empty, so launchd binds a random port",
      fix: "write a number or a name of /etc/services",
    },
  ]);
});

describe("the file", () => {
  test("has to be a property list", async () => {
    expect(await fixture.check("hello")).toMatchObject([
      { severity: "error", key: "file", why: "it is not a property list: it is neither XML nor binary" },
    ]);
  });

  test("has to have the label's name", async () => {
    expect(await fixture.findings({ Label: "com.example.other" })).toEqual([
      'note Label: it is "com.example.other", and the file\'s name is "com.example.web.plist"',
    ]);
    expect(await fixture.findings({}, { path: "/tmp/com.example.web" })).toHaveLength(1);
    expect(await fixture.findings({ Label: undefined })).toEqual([
      "error Label: it is missing, and launchd loads no job without a name",
    ]);
    expect(await fixture.findings({ Label: 7 })).toEqual(["error Label: it is a number, and launchd wants a string"]);
    expect(await fixture.findings({ Label: "a/b" }, { path: "/tmp/b.plist" })).toHaveLength(1);
  });

  test.skipIf(!isRoot)("has to be root's alone among the system's daemons (for root)", async () => {
    const path = join(fixture.machine.daemons, "com.example.web.plist");
    await Bun.write(path, "");
    await chmod(path, 0o644);
    expect(await fixture.findings({}, { path, stats: await lstat(path) })).toEqual([]);
    await chmod(path, 0o664);
    expect(await fixture.findings({}, { path, stats: await lstat(path) })).toEqual([
      "error file: users other than its owner may write to it, so launchd refuses it",
    ]);
    await chown(path, 60_501, 60_020);
    await chmod(path, 0o644);
    expect(await fixture.findings({}, { path, stats: await lstat(path) })).toEqual([
      "error file: root does not own it, so launchd refuses it",
    ]);
    const elsewhere = join(fixture.folder, "com.example.web.plist");
    expect(await fixture.findings({}, { path: elsewhere, stats: await lstat(path) })).toEqual([]);
  });

  test("is an agent's in a folder LaunchAgents, a daemon's anywhere else", () => {
    expect(kindOf("/Users/sam/Library/LaunchAgents/a.plist")).toBe("agent");
    expect(kindOf("/Library/LaunchDaemons/a.plist")).toBe("daemon");
    expect(kindOf("a.plist")).toBe("daemon");
  });

  test("may have keys that launchd does not know, told where one is nearly meant", async () => {
    expect(await fixture.findings({ Comment: "mine", KeepAlife: true })).toEqual([
      "note KeepAlife: launchd does not know this key and ignores it",
    ]);
  });
});

describe("the user", () => {
  test.each([
    [{ UserName: undefined }, "UserName: it is missing, so a daemon and its program run as root"],
    [{ UserName: "nobody-here" }, 'UserName: this machine has no user "nobody-here"'],
    [{ GroupName: "nogroup-here" }, 'GroupName: this machine has no group "nogroup-here"'],
    [{ UserName: 501 }, "UserName: it is a number, and launchd wants a string"],
  ])("of %j is an error", async (changes, finding) => {
    expect(await fixture.findings(changes)).toContain(`error ${finding}`);
  });

  test("may be root, which is noted, and a group may be named", async () => {
    const findings = await fixture.findings({ UserName: "root", GroupName: "staff" });
    expect(findings[0]).toBe("note UserName: the program runs as root");
  });

  test("of an agent is its own", async () => {
    expect(await fixture.findings({ UserName: "root" }, { kind: "agent" })).toEqual([
      "note UserName: launchd honours it only in daemons; an agent runs as its own user",
    ]);
  });

  test.skipIf(!isRoot)("root runs nothing that an ordinary user can change (for root)", async () => {
    const weak = (path: string) => `root runs FOLDER/${path}, and ordinary users can change FOLDER/`;
    expect(await fixture.findings({ UserName: "root" })).toEqual(["note UserName: the program runs as root"]);
    await chown(join(fixture.folder, "bin/server"), 60_501, 60_020);
    expect(await fixture.findings({ UserName: "root" })).toContain(
      `error ProgramArguments[1]: ${weak("bin/server")}bin/server`,
    );
    expect(await fixture.findings({ UserName: undefined })).toContain(
      `error ProgramArguments[1]: ${weak("bin/server")}bin/server`,
    );
    expect(await fixture.findings({})).toEqual([]);
    await chown(join(fixture.folder, "bin/server"), 0, 0);
    await chmod(join(fixture.folder, "bin"), 0o777);
    expect(await fixture.findings({ UserName: "root" })).toContain(
      `error ProgramArguments[1]: ${weak("bin/server")}bin`,
    );
    await chmod(join(fixture.folder, "bin"), 0o755);

    await mkdir(join(fixture.folder, "sams"));
    await Bun.write(join(fixture.folder, "sams/server"), "");
    await chmod(join(fixture.folder, "sams/server"), 0o755);
    await symlink("../sams/server", join(fixture.folder, "bin/link"));
    await chown(join(fixture.folder, "sams"), 60_501, 60_020);
    const linked = { UserName: "root", ...run("@/link") };
    expect(await fixture.findings(linked)).toContain(`error ProgramArguments[1]: ${weak("bin/link")}sams`);
    expect(await fixture.findings({ UserName: "root", WorkingDirectory: join(fixture.folder, "sams") })).toContain(
      "error WorkingDirectory: the job runs as root in FOLDER/sams, and ordinary users can change FOLDER/sams",
    );
  });
});

describe("the programs", () => {
  test.each([
    [{ ProgramArguments: undefined }, "ProgramArguments: it is missing, so there is nothing to run"],
    [{ ProgramArguments: [] }, "ProgramArguments: it is not an array of strings with at least one in it"],
    [{ ProgramArguments: "one" }, "ProgramArguments: it is not an array of strings with at least one in it"],
    [
      { ProgramArguments: ["launch_socket_server", "/bin/sh"] },
      'ProgramArguments[0]: "launch_socket_server" is not an absolute path, and launchd looks in no PATH of yours',
    ],
    [
      { ProgramArguments: ["/no/such/launch_socket_server", "/bin/sh"] },
      "ProgramArguments[0]: there is no /no/such/launch_socket_server",
    ],
  ])("%j is an error", async (changes, finding) => {
    expect(await fixture.findings(changes)).toContain(`error ${finding}`);
  });

  test.each([
    [[], "ProgramArguments: no program follows launch_socket_server"],
    [["@/nothing"], "ProgramArguments[1]: there is no FOLDER/bin/nothing"],
    [["@"], "ProgramArguments[1]: FOLDER/bin is a folder"],
    [["@/../secret"], "ProgramArguments[1]: sam may not execute FOLDER/secret"],
    [
      ["no-such-program"],
      'ProgramArguments[1]: "no-such-program" is not in the job\'s PATH (/usr/bin:/bin:/usr/sbin:/sbin)',
    ],
    [
      ["--log-level=debug", "no-such"],
      'ProgramArguments[2]: "no-such" is not in the job\'s PATH (/usr/bin:/bin:/usr/sbin:/sbin)',
    ],
    [["@/login_wrapper", "/no/such"], "ProgramArguments[2]: there is no /no/such"],
    [["@/login_wrapper"], "ProgramArguments: no program follows login_wrapper"],
    [["-"], "ProgramArguments: the program does not start like this"],
    [["--log-level"], "ProgramArguments: cannot use --log-level: its value is missing"],
    [["--print-plist", "x", "@/server"], "ProgramArguments: cannot use --print-plist: there is no such option"],
    [
      ["--idle-timeout", "soon", "@/server"],
      'ProgramArguments: cannot use "soon" for --idle-timeout: it is not a duration',
    ],
  ])("arguments %j are an error", async (words: string[], finding) => {
    expect(await fixture.findings(run(...words))).toEqual([`error ${finding}`]);
  });

  test("the second is looked up in the job's own PATH, and below its own folder", async () => {
    expect(await fixture.findings(run("sh"))).toEqual([]);
    const environment = { EnvironmentVariables: { PATH: `/nowhere:${fixture.folder}/bin` } };
    expect(await fixture.findings({ ...run("server"), ...environment })).toEqual([]);
    expect(await fixture.findings({ ...run("sh"), ...environment })).toHaveLength(1);
    expect(await fixture.findings({ ...run("bin/server"), WorkingDirectory: fixture.folder })).toEqual([]);
    expect(await fixture.findings(run("bin/server"))).toHaveLength(1);
    expect(await fixture.findings(run("@/login_wrapper", "anything"))).toEqual([]);
  });

  test("Program takes the place of the first", async () => {
    const Program = join(fixture.folder, "bin/launch_socket_server");
    const ProgramArguments = ["launch_socket_server", join(fixture.folder, "bin/server")];
    expect(await fixture.findings({ Program, ProgramArguments })).toEqual([]);
    expect(await fixture.findings({ Program: "relative", ProgramArguments })).toHaveLength(1);
  });

  test("another program than this one is noted", async () => {
    const words = [join(fixture.folder, "bin/server"), join(fixture.folder, "bin/server")];
    expect(await fixture.findings({ ProgramArguments: words })).toEqual([
      "note ProgramArguments[0]: it runs server, and the checks take it for launch_socket_server",
    ]);
  });
});

describe("the settings", () => {
  const set = (variables: Record<string, string>) => fixture.findings({ EnvironmentVariables: variables });

  test.each([
    [{ LAUNCH_PROGRAM_TCP_ADDRESS: "8000" }, 'cannot use "8000" for LAUNCH_PROGRAM_TCP_ADDRESS: it is only a port'],
    [{ LAUNCH_DAEMON_IDLE_TIMEOUT: "5" }, 'cannot use "5" for LAUNCH_DAEMON_IDLE_TIMEOUT: it is not a duration'],
    [{ LAUNCH_PROGRAM_TCP_ADRESS: ":8000" }, "there is no such setting, so it has no effect"],
    [{ launch_program_tcp_address: ":8000" }, "there is no such setting, so it has no effect"],
    [{ LAUNCH_DAEMON_COLOUR: "red" }, "there is no such setting, so it has no effect"],
  ])("%j is an error", async (variables, why) => {
    expect(await set(variables)).toEqual([`error EnvironmentVariables.${Object.keys(variables)[0]}: ${why}`]);
  });

  test("the variable that was meant is named", async () => {
    const job = fixture.job({ EnvironmentVariables: { LAUNCH_PROGRAM_TCP_ADRESS: ":8000" } });
    expect(await fixture.check(job)).toMatchObject([{ fix: "did you mean LAUNCH_PROGRAM_TCP_ADDRESS?" }]);
  });

  test("every mistake is told, not only the first", async () => {
    const variables = { LAUNCH_PROGRAM_TCP_ADDRESS: "x", LAUNCH_DAEMON_IDLE_TIMEOUT: "y", LAUNCH_DAEMON_COLOUR: "z" };
    expect(await set(variables)).toHaveLength(3);
  });

  test("a program's own variables are its own", async () => {
    expect(
      await set({
        LAUNCH_DARKLY_COLOUR: "x",
        BUN_OPTIONS: "--smol",
        BUN_JSC_useJIT: "0",
        LAUNCH_DAEMON_IDLE_TIMEOUT: "",
      }),
    ).toEqual([]);
  });

  test("contradictions are errors", async () => {
    expect(await set({ LAUNCH_PROGRAM_PASS_SOCKETS: "1", LAUNCH_PROGRAM_TCP_ADDRESS: ":8000" })).toEqual([
      "error ProgramArguments: cannot use LAUNCH_PROGRAM_PASS_SOCKETS together with LAUNCH_PROGRAM_TCP_ADDRESS: nothing is relayed when the program gets the sockets",
    ]);
  });

  test("what is no text is an error", async () => {
    expect(await fixture.findings({ EnvironmentVariables: { A: 1 } })).toEqual([
      "error EnvironmentVariables.A: it is a number, and launchd ignores it",
    ]);
    expect(await fixture.findings({ EnvironmentVariables: ["A"] })).toEqual([
      "error EnvironmentVariables: it is an array, and launchd wants a dictionary",
    ]);
  });

  test("two targets, and a path in a shared folder, are noted", async () => {
    const path = { LAUNCH_PROGRAM_SOCKET_PATH: join(fixture.folder, "shared/server.sock") };
    expect(await set({ ...path, LAUNCH_PROGRAM_TCP_ADDRESS: ":8000" })).toEqual([
      "note EnvironmentVariables: LAUNCH_PROGRAM_TCP_ADDRESS and LAUNCH_PROGRAM_SOCKET_PATH are both set, and the address wins",
    ]);
    expect(await set(path)).toEqual([
      "note EnvironmentVariables.LAUNCH_PROGRAM_SOCKET_PATH: others may write to FOLDER/shared, so they can put a socket of their own at FOLDER/shared/server.sock and get its connections",
    ]);
  });

  test("a target that is one of the job's own sockets is an error", async () => {
    expect(await set({ LAUNCH_PROGRAM_TCP_ADDRESS: "127.0.0.1:80" })).toEqual([
      "error EnvironmentVariables.LAUNCH_PROGRAM_TCP_ADDRESS: the target 127.0.0.1:80 is 127.0.0.1:80, which launchd binds for this job",
    ]);
  });

  test("--listen is an error", async () => {
    const words = ["--listen", "127.0.0.1:80", "--stop-timeout", "4s", "@/server"];
    expect(await fixture.findings({ ...run(...words), Sockets: undefined })).toEqual([
      "error ProgramArguments: --listen makes the program bind directly, and launchd's sockets are not served",
    ]);
  });
});

test("a Bun server that gets the sockets is noted, also as a script", async () => {
  const EnvironmentVariables = { LAUNCH_PROGRAM_PASS_SOCKETS: "1", PATH: join(fixture.folder, "bin") };
  await Bun.write(join(fixture.folder, "bin/bun"), "#!/bin/sh\n");
  await chmod(join(fixture.folder, "bin/bun"), 0o755);
  await Bun.write(join(fixture.folder, "bin/site"), "#!/usr/bin/env bun\n");
  await chmod(join(fixture.folder, "bin/site"), 0o755);
  const why = "Bun's node:http ignores the descriptor that it should listen on and silently binds another port";
  for (const word of ["@/bun", "@/site"]) {
    expect(await fixture.findings({ ...run(word), EnvironmentVariables })).toEqual([
      `note ProgramArguments[1]: ${why}`,
    ]);
  }
  expect(await fixture.findings({ ...run("@/server"), EnvironmentVariables })).toEqual([]);
  expect(await fixture.findings(run("@/bun"))).toEqual([]);
});

describe("the sockets", () => {
  test.each([
    [{ Sockets: undefined }, "Sockets: there are none, so launchd binds no port and nothing can be activated"],
    [{ Sockets: {} }, "Sockets: there are none, so launchd binds no port and nothing can be activated"],
    [{ Sockets: "80" }, "Sockets: it is a string, and launchd wants a dictionary"],
    [{ Sockets: { Socket: "80" } }, "Sockets.Socket: it is a string, and launchd wants a dictionary"],
    [{ Sockets: { Socket: [] } }, "Sockets.Socket: it is empty, so launchd binds nothing"],
    [
      { Sockets: { Web: { SockNodeName: "127.0.0.1", SockServiceName: "80" } } },
      'Sockets: the socket "Socket" will be asked for, and there is only "Web"',
    ],
    [
      socket({ SockServiceName: "no-such-service" }),
      'Sockets.Socket.SockServiceName: the port "no-such-service" is neither a number nor a TCP service of /etc/services',
    ],
    [
      socket({ SockServiceName: "70000" }),
      'Sockets.Socket.SockServiceName: the port "70000" is not between 1 and 65535',
    ],
    [socket({ SockServiceName: "0" }), 'Sockets.Socket.SockServiceName: the port "0" is not between 1 and 65535'],
    [socket({ SockServiceName: true }), "Sockets.Socket.SockServiceName: it is a boolean, and launchd wants a string"],
    [
      { Sockets: { Socket: { SockNodeName: "127.0.0.1" } } },
      "Sockets.Socket.SockServiceName: it is missing, so launchd binds a random port",
    ],
    [
      socket({ SockNodeName: "198.51.100.1" }),
      "Sockets.Socket.SockNodeName: 198.51.100.1 is not an address of this machine, so launchd cannot bind it",
    ],
    [
      socket({ SockNodeName: "2001:db8::1" }),
      "Sockets.Socket.SockNodeName: 2001:db8::1 is not an address of this machine, so launchd cannot bind it",
    ],
    [
      socket({ SockNodeName: "elsewhere" }),
      "Sockets.Socket.SockNodeName: elsewhere (198.51.100.1) is not an address of this machine, so launchd cannot bind it",
    ],
    [socket({ SockNodeName: "unknown" }), 'Sockets.Socket.SockNodeName: the host "unknown" is unknown'],
    [socket({ SockFamily: "IPv6" }), "Sockets.Socket.SockNodeName: 127.0.0.1 has no address of the family IPv6"],
    [socket({ SockFamily: "IPX" }), "Sockets.Socket.SockFamily: launchd does not know this family"],
    [socket({ SockType: "dgram" }), "Sockets.Socket.SockType: datagrams cannot be relayed"],
    [socket({ SockProtocol: "UDP" }), "Sockets.Socket.SockProtocol: datagrams cannot be relayed"],
    [socket({ SockType: "seqpacket" }), "Sockets.Socket.SockType: only stream sockets can be served"],
    [
      socket({ SockPassive: false }),
      "Sockets.Socket.SockPassive: launchd then connects to the address instead of listening on it",
    ],
    [
      { Sockets: { Socket: { SockPathName: "server.sock", SockPathMode: 0o666 } } },
      'Sockets.Socket.SockPathName: "server.sock" is not an absolute path',
    ],
    [
      { Sockets: { Socket: { SockPathName: "/no/such/server.sock", SockPathMode: 0o666 } } },
      "Sockets.Socket.SockPathName: there is no folder /no/such, so launchd cannot bind the socket",
    ],
    [
      { Sockets: { Socket: { SockPathName: `/${"x".repeat(103)}`, SockPathMode: 0o666 } } },
      "Sockets.Socket.SockPathName: the path has 104 bytes and a Unix socket takes at most 103",
    ],
    [
      { inetdCompatibility: {} },
      "inetdCompatibility: launchd then gives the sockets to the job as inetd does, and there is nothing left to activate",
    ],
  ])("%j is an error", async (changes, finding) => {
    expect(await fixture.findings(changes)).toEqual([`error ${finding}`]);
  });

  test.each([
    socket({ SockServiceName: "http" }),
    socket({ SockServiceName: 80 }),
    socket({ SockNodeName: "192.0.2.7" }),
    socket({ SockNodeName: "localhost", SockFamily: "IPv4v6" }),
    socket({ SockNodeName: "FE80:0::1", SockFamily: "IPv6" }),
    socket({ SockType: "stream", SockProtocol: "TCP", SockPassive: true }),
    { Sockets: { Listeners: { SockNodeName: "127.0.0.1", SockServiceName: "80" } } },
    { Sockets: { listeners: { SockNodeName: "127.0.0.1", SockServiceName: "80" } } },
    { Sockets: { Socket: { SockPathName: "/tmp/web.sock", SockPathMode: 0o666 } } },
    { Sockets: { Socket: { SockPathName: "/tmp/web.sock", SockPathMode: 0o140777 } } },
    { Sockets: { Socket: { SockPathName: "/tmp/web.sock", SockPathMode: 432, SockPathGroup: 20 } } },
    { Sockets: { Socket: { SockPathName: "/tmp/web.sock", SockPathOwner: 501 } } },
    { Sockets: { Socket: { SecureSocketWithKey: "WEB_SOCKET" } } },
  ])("%j is as good", async (changes) => {
    expect(await fixture.findings(changes)).toEqual([]);
  });

  test("may be connected to by who is meant: the mode of a path is a decimal integer", async () => {
    const path = (more: object) => ({ Sockets: { Socket: { SockPathName: "/tmp/web.sock", ...more } } });
    const key = "Sockets.Socket.SockPathMode";
    expect(await fixture.findings(path({}))).toEqual([
      `note ${key}: it is missing, so only its owner, root, may connect`,
    ]);
    expect(await fixture.findings({ UserName: undefined, ...path({}) }, { kind: "agent" })).toEqual([]);
    expect(await fixture.findings(path({ SockPathMode: 666 }))).toEqual([
      `note ${key}: it is 666, which is 1232 in octal: launchd wants a decimal integer`,
    ]);
    expect(await fixture.findings(path({ SockPathMode: "0666" }))).toEqual([
      `error ${key}: it is a string, and launchd wants a decimal integer`,
    ]);
    const fixes = async (mode?: number | string) =>
      (await fixture.check(fixture.job(path(mode === undefined ? {} : { SockPathMode: mode })))).map(({ fix }) => fix);
    expect(await fixes(666)).toEqual(["write <integer>438</integer> for 0666"]);
    expect(await fixes("0660")).toEqual(["write <integer>432</integer> for 0660"]);
    expect(await fixes("rw")).toEqual(["write <integer>438</integer> for 0666"]);
    expect(await fixes()).toEqual(["write <integer>438</integer> for 0666 (--listen-mode 666), or set SockPathOwner"]);
  });

  test("has to have each name that is asked for, and what else it has is noted", async () => {
    const Sockets = Object.fromEntries(
      ["HTTP", "HTTPS"].map((name, index) => [name, { SockNodeName: "127.0.0.1", SockServiceName: `${8080 + index}` }]),
    );
    const routes = (text: string) =>
      fixture.findings({ Sockets, EnvironmentVariables: { LAUNCH_DAEMON_ROUTES: text } });
    expect(await routes("HTTP= HTTPS=:9000")).toEqual([]);
    expect(await routes("HTTP= HTTPX=")).toEqual([
      'error Sockets: the socket "HTTPX" will be asked for, and there is only "HTTP", "HTTPS"',
      "note Sockets.HTTPS: only HTTP, HTTPX will be served; clients of this one wait for ever",
    ]);
    const named = await fixture.findings({ Sockets, EnvironmentVariables: { LAUNCH_DAEMON_SOCKET_NAME: "HTTPS" } });
    expect(named).toEqual(["note Sockets.HTTP: only HTTPS will be served; clients of this one wait for ever"]);
    expect(
      await fixture.findings({ Sockets, ...run("--socket-name", "HTTP", "--socket-name", "HTTPS", "@/server") }),
    ).toEqual([]);
  });

  test("two on the same address, family and port are an error, however they are written", async () => {
    const entry = (SockNodeName: string, SockServiceName: string, more = {}) => ({
      SockNodeName,
      SockServiceName,
      ...more,
    });
    const twins = (...entries: ReturnType<typeof entry>[]) => fixture.findings({ Sockets: { Socket: entries } });
    expect(await twins(entry("127.0.0.1", "80"), entry("127.0.0.1", "443"), entry("127.0.0.1", "http"))).toEqual([
      "error Sockets.Socket[2]: it has the same address and port as Sockets.Socket[0], so launchd can bind only one of them",
    ]);
    expect(await twins(entry("::1", "80"), entry("0::1", "80"))).toHaveLength(1);
    expect(await twins(entry("localhost", "80"), entry("::1", "80"))).toHaveLength(1);
    expect(await twins(entry("localhost", "80", { SockFamily: "IPv4" }), entry("::1", "80"))).toEqual([]);
    expect(await twins(entry("127.0.0.1", "80"), entry("::1", "80"))).toEqual([]);
  });

  test("datagrams are served by what gets the sockets itself", async () => {
    const passed = { ...socket({ SockType: "dgram" }), EnvironmentVariables: { LAUNCH_PROGRAM_PASS_SOCKETS: "1" } };
    expect(await fixture.findings(passed)).toEqual([]);
  });

  test("the whole network is noted", async () => {
    expect(await fixture.findings(socket({ SockNodeName: "0.0.0.0" }))).toEqual([
      "note Sockets.Socket.SockNodeName: the port is open to the whole network",
    ]);
    expect(await fixture.findings({ Sockets: { Socket: { SockServiceName: "80" } } })).toEqual([
      "note Sockets.Socket.SockNodeName: it is missing, so the port is open to the whole network",
    ]);
  });
});

describe("the files", () => {
  test("logs need a folder that the user may write to", async () => {
    const log = (path: string) =>
      fixture.findings({ StandardOutPath: path, StandardErrorPath: path }).then((found) => found.join());
    expect(await log(join(fixture.folder, "shared/web.log"))).toBe("");
    expect(await log("/dev/null")).toBe("");
    expect(await log("web.log")).toBe('error StandardOutPath: "web.log" is not an absolute path');
    expect(await log("/no/such/web.log")).toContain("there is no folder /no/such, so all output is lost");
    expect(await log(join(fixture.folder, "logs"))).toContain("is a folder");
    expect(await log(join(fixture.folder, "logs/web.log"))).toContain("sam may not make files in FOLDER/logs");
    await Bun.write(join(fixture.folder, "logs/web.log"), "");
    await chmod(join(fixture.folder, "logs/web.log"), 0o644);
    expect(await log(join(fixture.folder, "logs/web.log"))).toContain("sam may not write to FOLDER/logs/web.log");
    await chmod(join(fixture.folder, "logs/web.log"), 0o666);
    expect(await log(join(fixture.folder, "logs/web.log"))).toBe("");
  });

  test("the working directory has to be one", async () => {
    const folder = (path: string) => fixture.findings({ WorkingDirectory: path }).then((found) => found.join());
    expect(await folder(fixture.folder)).toBe("");
    expect(await folder("relative")).toContain("is not an absolute path");
    expect(await folder("/no/such")).toContain("there is no /no/such, so the job does not start");
    expect(await folder(join(fixture.folder, "bin/server"))).toContain("is not a folder");
    await chmod(join(fixture.folder, "logs"), 0o700);
    expect(await folder(join(fixture.folder, "logs"))).toBe("error WorkingDirectory: sam may not enter FOLDER/logs");
  });
});

describe("the lifetime", () => {
  test.each([
    [{ KeepAlive: true }, ["KeepAlive: launchd starts the job again whenever it has ended for being idle"]],
    [
      { KeepAlive: { SuccessfulExit: true } },
      ["KeepAlive: launchd starts the job again whenever it has ended for being idle"],
    ],
    [{ KeepAlive: { SuccessfulExit: false } }, []],
    [{ KeepAlive: false }, []],
  ])("%j with an exit when idle", async (changes, notes: string[]) => {
    const EnvironmentVariables = { LAUNCH_DAEMON_EXIT_IDLE_TIME: "10m" };
    expect(await fixture.findings({ ...changes, EnvironmentVariables })).toEqual(notes.map((note) => `note ${note}`));
  });

  test("connections at rest without an idle time are an error", async () => {
    const [finding, ...more] = await fixture.findings({
      EnvironmentVariables: { LAUNCH_DAEMON_EXIT_IDLE_AT_REST: "1" },
    });
    expect([finding, more]).toEqual([expect.stringMatching(/^error .*--exit-idle-at-rest alone/), []]);
    const both = { LAUNCH_DAEMON_EXIT_IDLE_AT_REST: "1", LAUNCH_DAEMON_EXIT_IDLE_TIME: "10m" };
    expect(await fixture.findings({ EnvironmentVariables: both })).toEqual([]);
  });

  test("an idle time under launchd's throttle is noted", async () => {
    const EnvironmentVariables = { LAUNCH_DAEMON_EXIT_IDLE_TIME: "9s" };
    expect(await fixture.findings({ EnvironmentVariables })).toEqual([
      "note EnvironmentVariables.LAUNCH_DAEMON_EXIT_IDLE_TIME: launchd starts a job at most once in 10 s, so the next client may wait",
    ]);
    expect(await fixture.findings({ EnvironmentVariables, ThrottleInterval: 5 })).toEqual([]);
  });

  describe("launchd has to leave time for a stop", () => {
    const stop = (LAUNCH_PROGRAM_STOP_TIMEOUT: string, more = {}, kind: "daemon" | "agent" = "daemon") =>
      fixture.findings(
        {
          EnvironmentVariables: { LAUNCH_PROGRAM_STOP_TIMEOUT },
          ...(kind === "agent" ? { UserName: undefined } : {}),
          ...more,
        },
        { kind },
      );

    test("both figures are named, launchd's 5 s and our 4 s where nothing is said", async () => {
      expect(await stop("15s")).toEqual([
        "note ExitTimeOut: launchd kills the job 5 s after SIGTERM (its default, since the key is missing), and a stop may take 15 s (LAUNCH_PROGRAM_STOP_TIMEOUT)",
      ]);
      expect(await fixture.findings({ ExitTimeOut: 3 })).toEqual([
        "note ExitTimeOut: launchd kills the job 3 s after SIGTERM, and a stop may take 4 s (its default)",
      ]);
      expect(await stop("0")).toEqual([
        "note ExitTimeOut: launchd kills the job 5 s after SIGTERM (its default, since the key is missing), and a stop may take for ever (LAUNCH_PROGRAM_STOP_TIMEOUT)",
      ]);
    });

    test.each([
      ["daemon", { ExitTimeOut: 3 }, "4s", "set it to 9, or set LAUNCH_PROGRAM_STOP_TIMEOUT to 2s or less"],
      ["daemon", { ExitTimeOut: 1 }, "4s", "set it to 9"],
      ["agent", { ExitTimeOut: 60 }, "90s", "make it a daemon, or set LAUNCH_PROGRAM_STOP_TIMEOUT to 59s or less"],
      ["agent", {}, "0", "make it a daemon, or set LAUNCH_PROGRAM_STOP_TIMEOUT to 4s or less"],
    ] as const)("what to do about it can be done: in a %s, %j, %s", async (kind, keys, timeout, fix) => {
      const EnvironmentVariables = { LAUNCH_PROGRAM_STOP_TIMEOUT: timeout };
      const job = fixture.job({ EnvironmentVariables, ...keys, ...(kind === "agent" ? { UserName: undefined } : {}) });
      expect(await fixture.check(job, { kind })).toMatchObject([{ fix }]);
    });

    test.each([
      [{ ExitTimeOut: 5 }, "4s", 0],
      [{}, "4s", 0],
      [{}, "4001ms", 1],
      [{ ExitTimeOut: 35 }, "30s", 0],
      [{ ExitTimeOut: 30 }, "30s", 1],
      [{ ExitTimeOut: 0 }, "0", 0],
      [{ ExitTimeOut: 600 }, "0", 1],
    ])("%j with %s: a second is the least margin (%d notes)", async (keys, timeout, notes) => {
      expect(await stop(timeout, keys)).toHaveLength(notes);
    });

    test("a program that gets the sockets has its own rules for a stop", async () => {
      const EnvironmentVariables = { LAUNCH_PROGRAM_PASS_SOCKETS: "1" };
      expect(await fixture.findings({ EnvironmentVariables, ExitTimeOut: 1 })).toEqual([]);
    });

    test("a program that binds directly has the longer stop, and launchd its 5 s all the same", async () => {
      const found = await fixture.findings({ ...run("--listen", "127.0.0.1:80", "@/server"), Sockets: undefined });
      expect(found[1]).toContain("a stop may take 15 s");
    });

    test("more than 60 and never are noted in an agent", async () => {
      expect(await stop("30s", { ExitTimeOut: 61 }, "agent")).toEqual([
        "note ExitTimeOut: it is 61, and launchd cuts it to 60 in an agent",
      ]);
      expect(await stop("90s", { ExitTimeOut: 95 }, "agent")).toEqual([
        "note ExitTimeOut: it is 95, and launchd cuts it to 60 in an agent",
        "note ExitTimeOut: launchd kills the job 60 s after SIGTERM, and a stop may take 90 s (LAUNCH_PROGRAM_STOP_TIMEOUT)",
      ]);
      expect(await stop("90s", { ExitTimeOut: 95 })).toEqual([]);
      expect(await stop("30s", { ExitTimeOut: 0 }, "agent")).toEqual([
        "note ExitTimeOut: 0 means never, but it is not known whether launchd honours it in an agent",
      ]);
    });

    test.each([
      ["20", "it is a string"],
      [-1, "it is -1"],
      [1.5, "it is 1.5"],
    ])("%j is an error, since launchd ignores it", async (ExitTimeOut, what) => {
      expect(await fixture.findings({ ExitTimeOut })).toEqual([
        `error ExitTimeOut: ${what}, and launchd wants whole seconds`,
      ]);
    });
  });
});
