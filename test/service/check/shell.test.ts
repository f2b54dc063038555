/** What people write into property lists as they would type it into a shell, or into a text. */
import { describe, expect, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { CheckFixture } from "./fixture.ts";

const fixture = new CheckFixture();
/** Arguments after launch_socket_server; `@` is the folder of programs. */
const run = (...words: string[]) => ({
  ProgramArguments: ["@/launch_socket_server", ...words].map((word) => word.replace("@", join(fixture.folder, "bin"))),
});
const fixed = { WorkingDirectory: "/" };

describe("arguments", () => {
  test.each(["server.mjs", "./app", "../config/puma.rb", "src/server.ts"])(
    "%s is looked for in / without a WorkingDirectory",
    async (word) => {
      expect(await fixture.findings(run("@/server", "-x", word))).toEqual([
        `error ProgramArguments[3]: there is no WorkingDirectory, so "${word}" is looked for in /`,
      ]);
      expect(await fixture.findings({ ...run("@/server", "-x", word), ...fixed })).toEqual([]);
    },
  );

  test.each(["text/html", "--config=a.rb", "http://a/b.js", "/srv/server.mjs", "user/repo", "80", "a.b", "", "-"])(
    "%j is nobody's business",
    async (word) => {
      expect(await fixture.findings(run("@/server", word))).toEqual([]);
    },
  );

  test.each(["~/server.mjs", "~sam/server.mjs", "$HOME/server.mjs", `$${"{HOME}"}/x`, "~"])(
    "%s is for a shell",
    async (word) => {
      const why = `launchd expands nothing, so the program gets ${JSON.stringify(word)} as it stands`;
      expect(await fixture.findings({ ...run("@/server", word), ...fixed })).toEqual([
        `error ProgramArguments[2]: ${why}`,
      ]);
      expect(await fixture.findings({ ...run("@/server", word), ...fixed, EnableGlobbing: true })).toEqual([]);
      expect(await fixture.findings(run("/bin/sh", "-lc", `exec node ${word}`))).toEqual([]);
    },
  );

  test("the value of a flag is one as well", async () => {
    expect(await fixture.findings(run("@/server", "--data=$HOME/a", "--conf=../a"))).toEqual([
      'note ProgramArguments[2]: launchd expands nothing, so the program gets "$HOME/a" as it stands',
      'error ProgramArguments[3]: there is no WorkingDirectory, so "../a" is looked for in /',
    ]);
  });

  test("$, prices and tildes elsewhere are not", async () => {
    expect(await fixture.findings(run("@/server", "a~b", "$5", "x$HOME", "~5%"))).toEqual([]);
  });

  test("a flag and its value in one string are noted", async () => {
    expect(await fixture.findings(run("@/server", "--port 80"))).toEqual([
      'note ProgramArguments[2]: "--port 80" is one word to the program',
    ]);
    expect(await fixture.findings(run("@/server", "-e", "print 1; exit"))).toEqual([]);
    expect(await fixture.findings(run("--socket-name Socket", "@/server"))).toEqual([
      'error ProgramArguments: cannot use "--socket-name Socket": flag and value are one word',
    ]);
  });
});

describe("the program", () => {
  test.each(["node server.mjs", "/usr/bin/node server.mjs", "/usr/bin/node /srv/server.mjs", "@/server -x"])(
    "%s is not one",
    async (word) => {
      const [found, ...more] = await fixture.findings(run(word));
      expect(more).toEqual([]);
      expect(found).toMatch(/^error ProgramArguments\[1\]: ".*" is one word to launchd, and no program has that name$/);
    },
  );

  test("may have blanks in its path", async () => {
    await Bun.write(join(fixture.folder, "bin/my server"), "#!/bin/sh\n");
    await chmod(join(fixture.folder, "bin/my server"), 0o755);
    expect(await fixture.findings(run("@/my server"))).toEqual([]);
    expect(await fixture.findings(run("/Applications/My App.app/Contents/x"))).toEqual([
      "error ProgramArguments[1]: there is no /Applications/My App.app/Contents/x",
    ]);
  });

  test.each(["~/bin/server", "$HOME/bin/server"])("%s is for a shell", async (word) => {
    expect(await fixture.findings(run(word))).toEqual([
      `error ProgramArguments[1]: launchd expands nothing, so "${word}" is not a path`,
    ]);
  });

  test("that is a script needs a first line, and what that names", async () => {
    const write = async (text: string) => {
      await Bun.write(join(fixture.folder, "bin/app"), text);
      await chmod(join(fixture.folder, "bin/app"), 0o755);
      return (await fixture.findings(run("@/app"))).join();
    };
    expect(await write("echo hello\n")).toBe(
      "error ProgramArguments[1]: FOLDER/bin/app is a text file whose first line does not say what runs it, so it does not start",
    );
    expect(await write("#!/no/such/python\n")).toContain("is a script for /no/such/python, which is not there");
    expect(await write("#!/usr/bin/env no-such-node\n")).toContain(
      "is a script for no-such-node, which is not in the job's PATH (/usr/bin:/bin:/usr/sbin:/sbin)",
    );
    expect(await write("#!/usr/bin/env sh\n")).toBe("");
    expect(await write("#!/bin/sh\n")).toBe("");
    expect(await write("\0binary")).toBe("");
  });
});

test("folders, logs and variables are as little expanded", async () => {
  expect(await fixture.findings({ WorkingDirectory: "~/hello", StandardOutPath: "$HOME/a.log" })).toEqual([
    'error WorkingDirectory: "~/hello" is not an absolute path, and launchd expands nothing',
    'error StandardOutPath: "$HOME/a.log" is not an absolute path, and launchd expands nothing',
  ]);
  const variables = (EnvironmentVariables: Record<string, string>) => fixture.findings({ EnvironmentVariables });
  expect(await variables({ PATH: "/usr/bin:$HOME/bin" })).toEqual([
    'error EnvironmentVariables.PATH: launchd expands nothing, so the program gets "$HOME/bin" as it stands',
  ]);
  expect(await variables({ DATA: "~/data" })).toHaveLength(1);
  expect(await variables({ PHRASE: "a$HOME~/", URL: "http://a/~sam", PRICE: "$5" })).toEqual([]);
});

describe("values", () => {
  test.each([
    [{ RunAtLoad: "true" }, "RunAtLoad: it is a string"],
    [{ RunAtLoad: 1 }, "RunAtLoad: it is a number"],
    [{ KeepAlive: "yes" }, "KeepAlive: it is a string"],
    [{ KeepAlive: { SuccessfulExit: "false" } }, "KeepAlive.SuccessfulExit: it is a string"],
  ])("%j is no boolean", async (changes, finding) => {
    expect(await fixture.findings(changes)).toEqual([
      `error ${finding}, and launchd wants a boolean, so it ignores it`,
    ]);
  });

  test("of a socket, too, and its keys are known", async () => {
    const Sockets = {
      Socket: { SockNodeName: "127.0.0.1", SockServiceName: "80", SockPasive: true, SockPassive: "true", Zzz: 1 },
    };
    expect((await fixture.findings({ Sockets })).toSorted()).toEqual([
      "error Sockets.Socket.SockPassive: it is a string, and launchd wants a boolean, so it ignores it",
      "note Sockets.Socket.SockPasive: launchd does not know this key and ignores it",
      "note Sockets.Socket.Zzz: launchd does not know this key and ignores it",
    ]);
    const found = await fixture.check(fixture.job({ Sockets }));
    expect(found.map(({ fix }) => fix)).toContain("did you mean SockPassive?");
  });

  test("that are right are right", async () => {
    expect(await fixture.findings({ RunAtLoad: true, KeepAlive: { SuccessfulExit: false }, Disabled: false })).toEqual(
      [],
    );
  });

  test("Disabled is noted, and a label with blanks", async () => {
    expect(await fixture.findings({ Disabled: true })).toEqual([
      "note Disabled: launchd does not load the job until launchctl enable has been called",
    ]);
    const path = "/tmp/my web.plist";
    expect(await fixture.findings({ Label: "my web" }, { path })).toEqual([
      "note Label: it has white space in it, so every command about it needs quotes",
    ]);
  });

  test("* is no address", async () => {
    expect(await fixture.findings({ Sockets: { Socket: { SockNodeName: "*", SockServiceName: "80" } } })).toEqual([
      "error Sockets.Socket.SockNodeName: launchd does not know *, and binds nothing",
    ]);
  });
});

test("a finding names the key that is there", async () => {
  const keys = async (changes: Parameters<CheckFixture["job"]>[0]) =>
    (await fixture.check(fixture.job(changes))).map(({ key, why, fix }) => `${key}: ${why}; ${fix}`);
  expect((await keys(run("--exit-idle-time", "5s", "@/server")))[0]).toStartWith(
    "ProgramArguments: launchd starts a job",
  );
  const stop = (await keys(run("--stop-timeout=15s", "@/server")))[0];
  expect(stop).toContain("a stop may take 15 s (--stop-timeout)");
  expect(stop).toContain("or set --stop-timeout to 4s or less");
  const routes = { EnvironmentVariables: { LAUNCH_DAEMON_ROUTES: "Socket=127.0.0.1:80" } };
  expect((await keys(routes))[0]).toStartWith("EnvironmentVariables.LAUNCH_DAEMON_ROUTES: the target");
  expect((await keys(run("--tcp-address", "127.0.0.1:80", "@/server")))[0]).toStartWith("ProgramArguments: the target");
});
