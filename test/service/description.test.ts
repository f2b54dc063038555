import { describe, expect, test } from "bun:test";
import { readServiceCommand } from "../../src/service/command.ts";
import { parseLabel, type ServiceDescription } from "../../src/service/description.ts";
import { serviceFlags } from "../../src/service/flags.ts";
import { settingFlags, splitCommandLine } from "../../src/settings/command-line.ts";

function read(...args: string[]) {
  const { flags, rest } = splitCommandLine(args, { ...settingFlags, ...serviceFlags });
  return readServiceCommand(flags, rest);
}

function describeAs(...args: string[]): ServiceDescription {
  const command = read("--print-plist", "com.example.web", ...args);
  if (command?.kind !== "print-plist") throw new Error(`not a description: ${command?.kind}`);
  return command.service;
}

describe("readServiceCommand", () => {
  test("is null without a flag of its own", () => {
    expect(read("--log-level", "debug", "server")).toBeNull();
  });

  test("tells a file to install from a label", () => {
    const file = { kind: "install", replace: false, dryRun: false } as const;
    expect(read("--install", "web.plist")).toEqual({ ...file, source: { file: "web.plist" } });
    expect(read("--install", "./web", "--dry-run")).toEqual({ ...file, source: { file: "./web" }, dryRun: true });
    expect(read("--replace", "--install", "./web")).toEqual({ ...file, source: { file: "./web" }, replace: true });
    expect(read("--install", "com.example.web", "server")).toMatchObject({
      kind: "install",
      source: { service: { label: "com.example.web", program: ["server"] } },
    });
  });

  test("reads the other commands, with their flags in any order", () => {
    expect(read("--json", "--check-plist", "-")).toEqual({
      kind: "check-plist",
      files: ["-"],
      json: true,
      portable: false,
    });
    expect(read("--dry-run", "--uninstall", "a.b")).toEqual({ kind: "uninstall", label: "a.b", dryRun: true });
  });

  test.each([
    [["--port", "80", "server"], "cannot use --port: it goes with --print-plist"],
    [["--json"], "cannot use --json: it goes with --check-plist or --status"],
    [["--watch"], "cannot use --watch: it goes with --status"],
    [["--print-plist", "a", "--install", "b", "server"], "cannot use --print-plist together with --install"],
    [["--print-plist", "a", "--print-plist", "b", "server"], "cannot use --print-plist twice"],
    [["--print-plist", "a", "--json", "server"], "cannot use --json with --print-plist"],
    [["--check-plist", "a", "--dry-run"], "cannot use --dry-run with --check-plist"],
    [["--check-plist", "a", "b", "--json"], "cannot use --json after the files: write it before --check-plist"],
    [["--check-plist", "a", "--log-level", "debug"], "cannot use --check-plist with a setting"],
    [["--install", "a.plist", "--port", "80"], "cannot use --port with --install"],
    [["--install", "a.plist", "server"], "cannot use --install a.plist with server"],
    [["--install", "-", "server"], 'cannot use "-" as a label: it is not a name'],
    [
      ["--install", "web.plist", "node", "server.mjs"],
      "cannot use --install web.plist with node: a name with / or .plist is a file, which says everything; leave the rest out, or write a label",
    ],
    [["--check-plist", "-", "-"], "cannot use - twice: standard input has one property list"],
    [["--uninstall", "../a"], 'cannot use "../a" as a label'],
    [["--uninstall", "a", "--port", "80"], "cannot use --port with --uninstall"],
    [["--uninstall", "a", "--replace"], "cannot use --replace with --uninstall"],
    [["--print-plist", "a", "--replace", "server"], "cannot use --replace with --print-plist"],
    [["--check-plist", "a", "--replace"], "cannot use --replace with --check-plist"],
    [
      ["--print-plist", "a", "--log=~/a.log", "server"],
      'cannot use "~/a.log" for --log: nothing but a shell expands it',
    ],
    [
      ["--print-plist", "a", "~/bin/server"],
      'cannot use "~/bin/server" as the program: nothing but a shell expands it',
    ],
    [
      ["--print-plist", "a", "--listen-path=$HOME/a", "server"],
      'cannot use "$HOME/a" for --listen-path: nothing but a shell expands it; write the whole path',
    ],
  ])("refuses %j", (args: string[], sentence) => {
    expect(() => read(...args)).toThrow(sentence);
  });
});

describe("describeService", () => {
  test("serves port 80 of the loopback interface and keeps running unless told otherwise", () => {
    const service = describeAs("server", "-x");
    expect([...service.sockets]).toEqual([["Socket", [{ host: "127.0.0.1", port: "80" }]]]);
    expect(service).toMatchObject({ program: ["server", "-x"], start: "keep-running", loginShell: false, flags: [] });
  });

  test("puts settings into their variables, and into flags where one variable cannot hold them", () => {
    const service = describeAs(
      ...["--tcp-address", "127.0.0.1:8000", "--connect-timeout=5s"],
      ...["--socket-name", "Web", "--socket-name", "Web2", "--port", "Web=80", "--port", "Web2=81", "--env", "A=b=c"],
      "server",
    );
    expect(Object.fromEntries(service.environment)).toEqual({
      LAUNCH_PROGRAM_TCP_ADDRESS: "127.0.0.1:8000",
      LAUNCH_PROGRAM_CONNECT_TIMEOUT: "5s",
      A: "b=c",
    });
    expect(service.flags).toEqual(["--socket-name=Web", "--socket-name=Web2"]);
    const spaced = describeAs("--route", "Web=/tmp/with space", "--port", "Web=80", "server");
    expect(spaced.flags).toEqual(["--route=Web=/tmp/with space"]);
    expect(describeAs("--pass-sockets", "server").environment.get("LAUNCH_PROGRAM_PASS_SOCKETS")).toBe("1");
  });

  test("gives each route its port, and each port every address", () => {
    const routes = [
      "--route",
      "HTTP=127.0.0.1:8080",
      "--route",
      "HTTPS=",
      "--port",
      "HTTP=http",
      "--port",
      "HTTPS=443",
    ];
    const service = describeAs("--address", "127.0.0.1", "--address", "::1", ...routes, "server");
    expect([...service.sockets]).toEqual([
      ["HTTP", ["127.0.0.1", "::1"].map((host) => ({ host, port: "http" }))],
      ["HTTPS", ["127.0.0.1", "::1"].map((host) => ({ host, port: "443" }))],
    ]);
  });

  test("serves Unix sockets, in place of the usual port or beside those given", () => {
    const only = describeAs("--listen-path", "run/web.sock", "--listen-mode", "660", "server");
    expect([...only.sockets]).toEqual([["Socket", [{ path: "run/web.sock", mode: 0o660 }]]]);
    const both = describeAs("--listen-path", "/tmp/a=b", "--port", "8080", "server");
    expect([...both.sockets]).toEqual([
      [
        "Socket",
        [
          { host: "127.0.0.1", port: "8080" },
          { path: "/tmp/a=b", mode: undefined },
        ],
      ],
    ]);
    const routes = ["--route", "A=", "--route", "B=", "--listen-path", "A=/tmp/a", "--listen-path", "B=/tmp/b"];
    expect([...describeAs(...routes, "server").sockets.keys()]).toEqual(["A", "B"]);
  });

  test("takes an IPv6 address in brackets as well, and what is given twice once, with a note", () => {
    const service = describeAs("--address", "[::1]", "--address", "::1", "--port", "80", "--port", "80", "server");
    expect([...service.sockets]).toEqual([["Socket", [{ host: "::1", port: "80" }]]]);
    expect(service.notes).toEqual(["80 is given twice, and launchd binds it once; leave one of them out"]);
  });

  test("notes flags of ours among the program's arguments, and words after -", () => {
    expect(describeAs("server", "--port=81").notes).toEqual([
      "--port stands after the program and belongs to it; put it before server if it is meant for launch_socket_server",
    ]);
    expect(describeAs("--tcp-address", ":1", "-", "x").notes).toEqual([
      "no program is run with -, and nothing after it has an effect: x",
    ]);
  });

  test("starts on demand what ends when idle, unless told otherwise", () => {
    expect(describeAs("--on-demand", "server").start).toBe("on-demand");
    expect(describeAs("--exit-idle-time", "10m", "server").start).toBe("on-demand");
    expect(describeAs("--exit-idle-time", "10m", "--keep-running", "server").start).toBe("keep-running");
  });

  test("runs no program for -, given a target", () => {
    expect(describeAs("--tcp-address", ":8000", "-").program).toBeNull();
  });

  test("takes nothing from the caller's environment", () => {
    process.env.LAUNCH_PROGRAM_TCP_ADDRESS = "nonsense";
    try {
      expect(describeAs("server").settings.tcpAddress).toBeUndefined();
    } finally {
      delete process.env.LAUNCH_PROGRAM_TCP_ADDRESS;
    }
  });

  test.each([
    [[], "cannot make the service com.example.web: the program is missing; name one after the options, or -"],
    [["-"], "please set LAUNCH_PROGRAM_TCP_ADDRESS"],
    [["--login-shell", "--tcp-address", ":1", "-"], "cannot use --login-shell with -"],
    [["--on-demand", "--keep-running", "server"], "cannot use --on-demand together with --keep-running"],
    [["--listen", "127.0.0.1:80", "server"], "cannot use --listen in a property list"],
    [["--port", "0", "server"], 'cannot use "0" for --port: the port "0" is not between 1 and 65535'],
    [["--port", "nosuch", "server"], 'cannot use "nosuch" for --port'],
    [["--port", "=80", "server"], "the name is empty"],
    [["--port", "Web=80", "server"], 'no socket "Web" is asked for'],
    [["--route", "A=", "--route", "B=", "--port", "80", "server"], "write A=PORT or B=PORT"],
    [["--route", "A=", "--route", "B=", "--port", "A=80", "server"], 'cannot serve the socket "B": it has no port'],
    [["--address", "1.2.3", "server"], 'cannot use "1.2.3" for --address'],
    [["--address", "*", "server"], 'cannot use "*" for --address: launchd does not know *; write 0.0.0.0'],
    [
      ["--listen-path", "l.sock", "server"],
      'cannot use "l.sock" for --listen-path: a path has a slash; write ./l.sock',
    ],
    [["--listen-path", `/${"x".repeat(103)}`, "server"], "the path has 104 bytes"],
    [["--listen-path", "Web=/tmp/a", "server"], 'no socket "Web" is asked for'],
    [["--listen-mode", "660", "server"], "cannot use --listen-mode without --listen-path"],
    [
      ["--listen-path", "/tmp/a", "--listen-mode", "rw", "server"],
      'cannot use "rw" for --listen-mode: it is not a mode',
    ],
    [["--listen-path", "/tmp/a", "--address", "::1", "server"], "cannot use --address with --listen-path alone"],
    [["--address", "a:b", "server"], 'cannot use "a:b" for --address'],
    [["--env", "novalue", "server"], "it is not a variable; write NAME=VALUE"],
    [["--env", "A=1", "--env", "A=2", "server"], "cannot use A twice"],
    [["--env", "A=1", "B=2", "server"], 'cannot use "B=2" as the program: it is a variable; write --env before each'],
    [["--env", "LAUNCH_DAEMON_IDLE_TIMEOUT=soon", "server"], "it is not a duration"],
    [["--env", "LAUNCH_DAEMON_IDLE_TIMOUT=1s", "server"], "did you mean LAUNCH_DAEMON_IDLE_TIMEOUT?"],
    [["--idle-timeout", "1s", "--env", "LAUNCH_DAEMON_IDLE_TIMEOUT=2s", "server"], "twice"],
    [["--user", "", "server"], 'cannot use "" for --user'],
    [["--idle-timeout", "soon", "server"], "it is not a duration"],
  ])("refuses %j", (args: string[], sentence) => {
    expect(() => describeAs(...args)).toThrow(sentence);
  });
});

describe("parseLabel", () => {
  test.each(["com.example.web", "web", "Ünïcode name", "com.applesauce.web"])("takes %j", (label) => {
    expect(parseLabel(label)).toBe(label);
  });

  test.each([
    "",
    "a/b",
    "/etc/passwd",
    "..",
    "a..b",
    ".hidden",
    "two\nlines",
    "nul\0",
    "x".repeat(250),
    "com.apple.ftpd",
    "COM.APPLE.x",
  ])("refuses %j", (label) => {
    expect(() => parseLabel(label)).toThrow("as a label");
  });
});
