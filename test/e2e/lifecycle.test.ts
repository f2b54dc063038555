/** --stop, --start and --restart, said to the stand-ins of launchctl and launchd. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { chmod, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build, type PlistValue } from "plist";
import { folderOf } from "../../src/control/folder.ts";
import { ControlServer } from "../../src/control/server.ts";
import { account } from "../service/status/fixture.ts";
import { Client } from "../support/client.ts";
import { agentUser, asUser, greeter, InstallFixture, isRoot } from "../support/install-fixture.ts";
import { quietHost } from "../support/launchd/fixture.ts";
import { programUnderTest, run, runsMacProgram } from "../support/program-under-test.ts";
import { waitFor } from "../support/wait.ts";

const fixture = new InstallFixture();
const { label } = fixture;

/** Writes the property list of a service of ours, or, with a Program, of another. */
async function write(path: string, keys: { [key: string]: PlistValue }): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const Sockets = { Socket: { SockNodeName: quietHost, SockServiceName: String(fixture.port) } };
  const TMPDIR = fixture.folder;
  const standard = { Label: label, UserName: "root", Sockets, EnvironmentVariables: { TMPDIR }, ExitTimeOut: 20 };
  const ProgramArguments = [fixture.stage.program, ...greeter("hello")];
  await Bun.write(path, build({ ...standard, ProgramArguments, ...keys }));
  await chmod(path, 0o644);
  return path;
}

/** A daemon of ours, loaded. */
async function daemon(keys: { [key: string]: PlistValue }) {
  return fixture.launchctl.load("system", await write(fixture.daemon, keys));
}

/** What a command that succeeds prints, without the pids. */
async function said(...words: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await fixture.run(words);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout
    .trim()
    .replace(/pid \d+/g, "pid N")
    .split("\n");
}

/** The one sentence of a refusal. */
async function refused(words: string[], wrapper: string[] = []): Promise<string> {
  const { status, stderr } = await fixture.run(words, wrapper);
  expect({ status, lines: stderr.trim().split("\n").length }).toEqual({ status: 1, lines: 1 });
  return stderr.trim().replace("launch_socket_server: ", "").replaceAll(fixture.folder, "FOLDER");
}

const changes = () => fixture.launchctl.calls.filter((call) => !call.startsWith("print"));

describe.skipIf(!isRoot)("a daemon that is kept running (for root)", () => {
  test("is stopped, started and restarted, and each is right when said twice", async () => {
    fixture.start();
    const job = await daemon({ KeepAlive: true });
    expect(await fixture.greet()).toBe("hello");
    const closed = `${fixture.address} is closed until --start or the next start of the Mac`;

    expect(await said("--stop", label)).toEqual([
      `waiting for ${label} (pid N) to end, for 30 s at most`,
      `${label} is stopped: ${closed}`,
    ]);
    expect(job.exits).toMatchObject([{ code: 0, signal: null }]);
    await expect(fixture.greet()).rejects.toThrow("ECONNREFUSED");
    expect(await said("--stop", label)).toEqual([`${label} is stopped already: ${closed}`]);

    expect(await said("--start", label)).toEqual([
      `waiting for launchd to load ${fixture.daemon}`,
      `waiting for ${label} to run`,
      `${label} runs (pid N): ${fixture.address} is open`,
    ]);
    expect(await fixture.greet()).toBe("hello");
    expect(await said("--start", label)).toEqual([`${label} runs already (pid N)`]);

    const { pid } = fixture.launchctl.job(label) ?? {};
    expect(runsMacProgram(pid ?? null)).toBe(programUnderTest.platform === "macos");
    fixture.launchctl.calls.length = 0;
    for (const runs of [2, 3]) {
      expect(await said("--restart", label)).toEqual([
        `waiting for ${label} (pid N) to end, for 20 s at most; new clients wait in its queue`,
        `waiting for ${label} to run`,
        `${label} runs again (pid N)`,
      ]);
      expect(fixture.launchctl.job(label)?.starts).toBe(runs);
    }
    expect(fixture.launchctl.job(label)?.exits).toMatchObject([{ code: 0 }, { code: 0 }]);
    const restart = [`kill SIGTERM system/${label}`, `kickstart system/${label}`];
    expect(changes()).toEqual([...restart, ...restart]);
    expect(await fixture.greet()).toBe("hello");
  });

  test("whose property list has changed is told so by --restart, which cannot read it", async () => {
    fixture.start();
    await daemon({ KeepAlive: true });
    const EnvironmentVariables = { TMPDIR: fixture.folder, NEW: "yes" };
    const ProgramArguments = [fixture.stage.program, ...greeter("new")];
    await write(fixture.daemon, { KeepAlive: true, EnvironmentVariables, ProgramArguments });
    expect((await said("--restart", label)).at(-1)).toBe(
      `${fixture.daemon} has changed since launchd loaded it: --stop and --start read it, and close the port meanwhile`,
    );
    expect(await fixture.greet()).toBe("hello");
    await said("--stop", label);
    await said("--start", label);
    expect(await fixture.greet()).toBe("new");
    expect(await said("--restart", label)).toHaveLength(3);
  });

  test("is what --reload means by its label, not a process that claims to have that", async () => {
    fixture.start();
    await daemon({ KeepAlive: true });
    const claim = account({ label, pid: process.pid });
    const claimant = ControlServer.open(
      () => claim,
      () => {},
      folderOf(0),
    );
    try {
      const listed = JSON.parse((await run(["--status", "--json"])).stdout);
      expect(listed).toContainEqual(expect.objectContaining({ name: label, pid: process.pid }));
      expect(await fixture.greet()).toBe("hello");
      expect((await said("--reload", label)).at(-1)).toStartWith(`${label} is reloaded: `);
      await said("--stop", label);
      expect(await refused(["--reload", label])).toBe(
        `cannot reload ${label}: it does not run now (not loaded); --status ${label} tells more`,
      );
    } finally {
      claimant?.close();
    }
  });

  test("is not stopped with --idle, since launchd would start it at once", async () => {
    fixture.start();
    const { pid } = await daemon({ KeepAlive: true });
    expect(await refused(["--stop", label, "--idle"])).toBe(
      `cannot stop ${label} with --idle: launchd keeps it running (KeepAlive) and would start it again at once; use --restart, or --stop alone`,
    );
    expect(fixture.launchctl.job(label)?.pid).toBe(pid as number);
    expect(changes()).toEqual([]);
  });

  test("that somebody has disabled is enabled by --start", async () => {
    fixture.start({ disabled: [label] });
    await write(fixture.daemon, { KeepAlive: true });
    expect(await said("--stop", label)).toEqual([
      `${label} is stopped already: ${fixture.address} is closed until --start`,
    ]);
    expect(await said("--start", label)).toContain(`${label} was disabled, and is enabled now`);
    expect(await fixture.greet()).toBe("hello");
  });

  test("that does not keep running is told by --start and --restart, and stays loaded", async () => {
    fixture.start();
    await write(fixture.daemon, {
      KeepAlive: true,
      ProgramArguments: [fixture.stage.program, "/bin/sh", "-c", "exit 3"],
    });
    const why = `it ended with status 1; --status ${label} looks for the reason`;
    expect(await refused(["--start", label])).toBe(`cannot start ${label}: ${why}`);
    expect(await refused(["--restart", label])).toBe(`cannot restart ${label}: ${why}`);
    // Its throttle, which is 10 s, is not waited for.
    expect(await refused(["--start", label])).toBe(`cannot start ${label}: ${why}`);
    expect(fixture.launchctl.loaded).toEqual([`system/${label}`]);
    expect(await said("--stop", label)).toHaveLength(1);
  });

  test("whose port another program has is told by --start, which names that program", async () => {
    fixture.start();
    await write(fixture.daemon, { KeepAlive: true });
    const other = Bun.spawn(["/usr/bin/perl", "-MIO::Socket::INET", "-e", listening()], { stdout: "pipe" });
    try {
      await other.stdout.getReader().read();
      expect(await refused(["--start", label])).toBe(
        `cannot start ${label}: ${fixture.address} is held by perl (pid ${other.pid}), so launchd cannot serve it; stop that, then --stop and --start this`,
      );
    } finally {
      other.kill();
      await other.exited;
    }
    await said("--stop", label);
    await said("--start", label);
    expect(await fixture.greet()).toBe("hello");
  });

  test("that does not end in time after SIGTERM is left as it is", async () => {
    fixture.start();
    const stubborn = ["/bin/sh", "-c", 'trap "" TERM; while :; do sleep 0.1; done'];
    const job = await daemon({
      ...{ KeepAlive: true, ExitTimeOut: 1 },
      ProgramArguments: [fixture.stage.program, "--stop-timeout", "60s", ...stubborn],
    });
    await job.waitFor("its start", async () => (await job.stderr()).includes("serving"));
    const { pid } = job;
    expect(await refused(["--restart", label])).toBe(
      `cannot restart ${label}: it has not ended 1 s after SIGTERM, takes no new clients, and goes on with those it has; launchctl kill SIGKILL system/${label} ends it at once; --status ${label} looks for the reason`,
    );
    expect(job.pid).toBe(pid);
    job.kill("SIGKILL");
  });
});

/** A server of somebody else's at the address of the test. */
const listening = () =>
  `my $s = IO::Socket::INET->new(LocalAddr => "${quietHost}:${fixture.port}", Listen => 1, ReuseAddr => 1) or die $!; $| = 1; print "ready\n"; sleep 60;`;

describe.skipIf(!isRoot)("a daemon on demand (for root)", () => {
  test("is loaded by --start and not started, and --stop --idle ends its process alone", async () => {
    fixture.start({ throttle: 100 });
    await write(fixture.daemon, {});
    const open = `${fixture.address} is open, and the next connection starts it`;
    expect(await said("--start", label)).toEqual([
      `waiting for launchd to load ${fixture.daemon}`,
      `${label} is loaded: ${open}`,
    ]);
    expect(fixture.launchctl.job(label)?.starts).toBe(0);
    expect(await said("--start", label)).toEqual([`${label} is loaded already: ${open}`]);
    expect(await said("--stop", label, "--idle")).toEqual([`${label} does not run: ${open}`]);

    expect(await fixture.greet()).toBe("hello");
    expect(await said("--idle", "--stop", label)).toEqual([
      `waiting for ${label} (pid N) to end, for 20 s at most`,
      `${label} has ended: ${open}`,
    ]);
    expect(await fixture.greet()).toBe("hello");
    expect(fixture.calls("bootout")).toEqual([]);

    await said("--restart", label);
    await said("--stop", label);
    expect(await refused(["--stop", label, "--idle"])).toBe(
      `cannot stop ${label} with --idle: launchd has not loaded it, so its port is closed; --start opens it`,
    );
    expect(await refused(["--restart", label])).toBe(
      `cannot restart ${label}: launchd has not loaded it; --start does that`,
    );
  });

  test("that does not run is started by --restart", async () => {
    fixture.start();
    const job = await daemon({});
    expect(await said("--restart", label)).toEqual([`waiting for ${label} to run`, `${label} runs again (pid N)`]);
    expect(job.starts).toBe(1);
    expect(job.exits).toEqual([]);
  });
});

describe.skipIf(!isRoot)("what is not to be changed (for root)", () => {
  const verbs = ["stop", "start", "restart"];
  const asRoot = (verb: string) => refused([`--${verb}`, label]);

  test("a service that is not ours is left alone", async () => {
    fixture.start();
    const { pid } = await daemon({ Program: "/bin/sleep", ProgramArguments: ["sleep", "1000"], RunAtLoad: true });
    for (const verb of verbs) {
      expect(await asRoot(verb)).toBe(
        `cannot ${verb} ${label}: launchd runs /bin/sleep under this label; it is left alone`,
      );
    }
    expect(fixture.launchctl.job(label)?.pid).toBe(pid as number);
    expect(changes()).toEqual([]);
  });

  test("one that is nowhere is told", async () => {
    fixture.start();
    for (const verb of verbs) {
      expect(await asRoot(verb)).toBe(
        `cannot ${verb} ${label}: there is no such service; --status lists those of this program`,
      );
    }
  });

  test("a daemon is root's, and an agent is its user's", async () => {
    fixture.start({ domains: ["system", `gui/${agentUser}`] });
    await write(fixture.daemon, {});
    for (const verb of verbs) {
      expect(await refused([`--${verb}`, label], asUser)).toBe(
        `cannot ${verb} ${label}: it is a daemon, which belongs to root: sudo launch_socket_server --${verb} ${label}`,
      );
    }
    await rm(fixture.daemon);
    await write(fixture.agent, {});
    const sudo = ["env", `SUDO_UID=${agentUser}`];
    for (const verb of verbs) {
      expect(await refused([`--${verb}`, label], sudo)).toBe(
        `cannot ${verb} ${label}: it is an agent, which belongs to its user: run this without sudo`,
      );
    }
    expect(changes()).toEqual([]);
  });

  test("by ssh a daemon is root's all the same, and launchd's refusal is told of what is nowhere", async () => {
    fixture.start();
    await write(fixture.daemon, {});
    expect(await refused(["--stop", label], asUser)).toStartWith(`cannot stop ${label}: it is a daemon`);
    expect(await refused(["--stop", "com.example.none"], asUser)).toStartWith(
      `cannot stop com.example.none: cannot reach launchd's gui/${agentUser}: nobody is logged in as this user`,
    );
  });

  test("Apple's labels, and flags that say nothing here, are refused", async () => {
    fixture.start();
    expect(await refused(["--stop", "com.apple.ftpd"])).toContain("labels that begin with com.apple. are Apple's");
    expect(await refused(["--start", label, "--idle"])).toBe("cannot use --idle with --start: leave it out");
    expect(await refused(["--restart", label, "node"])).toContain("cannot use --restart with node");
    expect(await refused(["--idle", "node"])).toBe("cannot use --idle: it goes with --stop");
  });
});

test("an agent is stopped, started and restarted by its user", async () => {
  fixture.start({ domains: [`gui/${agentUser}`] });
  // Under a file's name that is not the label's, as other tools write them.
  const path = join(dirname(fixture.agent), "homebrew.mxcl.hello.plist");
  await write(path, { KeepAlive: true, EnvironmentVariables: { TMPDIR: join(fixture.folder, "home") } });
  await Bun.$`chown -R ${agentUser} ${fixture.folder}/home`;
  const said = async (...words: string[]) => {
    const { status, stdout, stderr } = await fixture.run(words, asUser);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout;
  };
  expect(await said("--start", label)).toContain(`${label} runs (pid `);
  expect(await fixture.greet()).toBe("hello");
  expect(await said("--restart", label)).toContain(`${label} runs again (pid `);
  expect(await said("--stop", label)).toContain(
    `${label} is stopped: ${fixture.address} is closed until --start or the next login\n`,
  );
});

test.skipIf(programUnderTest.platform === "macos")("without launchd systemctl is named", async () => {
  for (const verb of ["stop", "start", "restart"]) {
    const { code, stdout, stderr } = await run([`--${verb}`, "web"]);
    expect({ code, stdout, stderr }).toEqual({
      ...{ code: 1, stdout: "" },
      stderr: `launch_socket_server: cannot ${verb} web: there is no launchd here; for a unit of systemd, systemctl ${verb} web\n`,
    });
  }
});

/** A server that keeps each request's number, and answers with it. */
const counting = (file: string) => [
  "/usr/bin/perl",
  "-MIO::Socket::UNIX",
  "-MFcntl",
  "-e",
  `$SIG{PIPE} = "IGNORE"; sysopen(my $f, "${file}", O_WRONLY|O_APPEND|O_CREAT) or die $!;
   my $s = IO::Socket::UNIX->new(Local => $ENV{LAUNCH_PROGRAM_SOCKET_PATH}, Listen => 128) or die $!;
   while (my $c = $s->accept) { my $n = <$c>; syswrite($f, $n); print $c $n; close $c }`,
];

describe.skipIf(!isRoot)("under load (for root)", () => {
  test.each([
    ["kept running", { KeepAlive: true }],
    ["on demand", {}],
  ])(
    "of 5,000 requests to a daemon %s none is lost and none repeated while it is restarted three times",
    async (_, keys) => {
      fixture.start();
      const requests = join(fixture.folder, "requests");
      const job = await daemon({ ...keys, ProgramArguments: [fixture.stage.program, ...counting(requests)] });
      const address = { kind: "tcp", host: quietHost, port: fixture.port } as const;
      let begun = 0;
      let served = 0;
      const failures: string[] = [];
      const request = async (number: number) => {
        try {
          using client = await Client.open(address);
          await client.send(`${number}\n`).over();
          if (client.text === `${number}\n` && client.state === "ended") served++;
          else failures.push(`${number}: ${JSON.stringify(client.text)}, ${client.state}`);
        } catch (error) {
          failures.push(`${number}: ${error}`);
        }
      };
      const work = async () => {
        while (begun < 5_000) await request(++begun);
      };
      const all = Promise.all(Array.from({ length: 20 }, work));
      for (let restart = 1; restart <= 3; restart++) {
        await waitFor("some requests to be served", () => served >= restart * 1_000, 60_000);
        const { status, stderr } = await fixture.run(["--restart", label]);
        expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      }
      await all;
      expect(failures).toEqual([]);
      expect(served).toBe(5_000);
      const numbers = readFileSync(requests, "utf8").trim().split("\n").map(Number);
      expect(numbers.length).toBe(5_000);
      expect(new Set(numbers).size).toBe(5_000);
      expect(job.exits).toHaveLength(3);
      for (const exit of job.exits) expect(exit).toMatchObject({ code: 0, signal: null });
      expect(fixture.calls("bootout")).toEqual([]);
      expect(fixture.calls("kickstart")).toEqual(Array.from({ length: 3 }, () => `kickstart system/${label}`));
    },
    120_000,
  );
});
