/** --status of services of launchd: how they fare, and the reason why one does not work. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { chmod, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build, type PlistValue } from "plist";
import { agentUser, asUser, greeter, InstallFixture, isRoot } from "../support/install-fixture.ts";
import { quietHost } from "../support/launchd/fixture.ts";
import { placeSfltool } from "../support/launchd/sfltool.ts";
import { programUnderTest } from "../support/program-under-test.ts";
import { waitFor } from "../support/wait.ts";

const fixture = new InstallFixture();
/** Of this run alone: what other tests run answers on this machine, too. */
const label = `com.example.diagnosis-${process.pid}`;
const daemonPath = () => join(fixture.daemons, `${label}.plist`);
const agentPath = () => join(dirname(fixture.agent), `${label}.plist`);
const isMac = programUnderTest.platform === "macos";

const log = () => join(fixture.folder, "web.log");

/** Writes the property list of a service of ours. */
async function write(path: string, keys: { [key: string]: PlistValue } = {}): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const Sockets = { Socket: { SockNodeName: quietHost, SockServiceName: String(fixture.port) } };
  const EnvironmentVariables = { TMPDIR: fixture.folder };
  const standard = { Label: label, UserName: "root", Sockets, EnvironmentVariables, StandardErrorPath: log() };
  const ProgramArguments = [fixture.stage.program, ...greeter("hello")];
  await Bun.write(path, build({ ...standard, ProgramArguments, ...keys }));
  await chmod(path, 0o644);
  return path;
}

const daemon = async (keys: { [key: string]: PlistValue } = {}) =>
  fixture.launchctl.load("system", await write(daemonPath(), keys));

/** What --status says of the service, for programs, and its exit status. */
async function status(wrapper: string[] = []) {
  const { status, stdout, stderr } = await fixture.run(["--status", label, "--json"], wrapper);
  expect(stderr).toBe("");
  const entry = JSON.parse(stdout);
  return {
    ...entry,
    exit: status,
    causes: entry.causes.map((cause: string) => cause.replaceAll(fixture.folder, "FOLDER")),
  };
}

/** A server of somebody else's at the address of the test, until the scope ends. */
async function otherServer() {
  const script = `my $s = IO::Socket::INET->new(LocalAddr => "${quietHost}:${fixture.port}", Listen => 1, ReuseAddr => 1) or die $!; $| = 1; print "ready\n"; sleep 60;`;
  const child = Bun.spawn(["/usr/bin/perl", "-MIO::Socket::INET", "-e", script], { stdout: "pipe" });
  await child.stdout.getReader().read();
  return { pid: child.pid, [Symbol.dispose]: () => child.kill() };
}

describe.skipIf(!isRoot)("a daemon (for root)", () => {
  test("that runs, and one that waits, have nothing to be said of them", async () => {
    fixture.start();
    const job = await daemon();
    expect(await status()).toMatchObject({
      ...{ exit: 0, name: label, state: "waiting for a connection", works: true, pid: null },
      ...{ addresses: [fixture.address], causes: [], lastEnd: null, log: log() },
    });
    expect(await fixture.greet()).toBe("hello");
    const running = await status();
    expect(running).toMatchObject({ exit: 0, state: "running", pid: job.pid, causes: [] });
    // Its own account, too.
    expect(running.status).toMatchObject({ pid: job.pid, label, connections: { total: 1 } });
  });

  test.each([{ KeepAlive: true }, {}])("%j whose port another program has names that program", async (keys) => {
    fixture.start();
    using other = await otherServer();
    await daemon(keys);
    const held = `${fixture.address} is held by perl (pid ${other.pid}), so launchd cannot serve it; stop that, then --stop and --start this`;
    await waitFor("its state", async () => (await status()).causes[0] === held);
    expect(await status()).toMatchObject({ exit: 3, state: "its port is taken", works: false });
  });

  test("that keeps crashing is told by what its log says last", async () => {
    fixture.start({ throttle: 3_000 });
    const job = await daemon({ KeepAlive: true, ProgramArguments: [fixture.stage.program, "/bin/sh", "-c", "exit 3"] });
    await job.waitFor("two runs", () => job.exits.length === 2);
    const found = await status();
    expect(found).toMatchObject({ exit: 3, state: "keeps failing", works: false, lastEnd: "ended with status 1" });
    expect(found.causes).toEqual([
      expect.stringMatching(
        /^program `\/bin\/sh' exited: exit status 3 \(it ended with status 1\); launchd has started it \d times$/,
      ),
    ]);
    expect(found.tail.lines).toContain("launch_socket_server: program `/bin/sh' exited: exit status 3");
    const { stdout } = await fixture.run(["--status", label]);
    expect(stdout.replace(/\s+/g, " ")).toMatch(
      / why program `\/bin\/sh' exited: exit status 3 \(it ended with status 1\); launchd has started it \d times /,
    );
  });

  test("of a user that is not there names the user", async () => {
    fixture.start();
    await write(daemonPath(), { UserName: "nobody-of-that-name" });
    const { exit, state, causes } = await status();
    expect({ exit, state }).toEqual({ exit: 3, state: "not loaded" });
    expect(causes[0]).toBe(`UserName: this machine has no user "nobody-of-that-name"; name a user that it has`);
  });

  test("of a user who may not run its program names both", async () => {
    fixture.start();
    const server = join(fixture.folder, "server");
    await Bun.write(server, "#!/bin/sh\n");
    await chmod(server, 0o700);
    const keys = { KeepAlive: true, UserName: "nobody", ProgramArguments: [fixture.stage.program, server] };
    const job = await daemon({ ...keys, EnvironmentVariables: { TMPDIR: "/tmp" } });
    await job.waitFor("its end", () => job.exits.length > 0);
    const { exit, state, causes } = await status();
    expect({ exit, state }).toEqual({ exit: 3, state: "keeps failing" });
    expect(causes[0]).toStartWith("ProgramArguments[1]: nobody may not execute FOLDER/server; chmod a+x FOLDER/server");
  });

  test.each([
    ["its program", () => [fixture.stage.program, "/nowhere/server"], "ProgramArguments[1]", "/nowhere/server"],
    [
      "itself",
      () => ["/nowhere/launch_socket_server", "/bin/cat"],
      "ProgramArguments[0]",
      "/nowhere/launch_socket_server",
    ],
  ])("without %s names the path", async (_, ProgramArguments, key, path) => {
    fixture.start();
    const job = await daemon({ KeepAlive: true, ProgramArguments: ProgramArguments() });
    await job.waitFor("its end", () => job.exits.length > 0);
    const { exit, state, causes } = await status();
    expect({ exit, state }).toEqual({ exit: 3, state: "keeps failing" });
    expect(causes[0]).toBe(`${key}: there is no ${path}; check the path, or install the program`);
  });

  test("whose log's disk is full says so", async () => {
    fixture.start();
    const disk = join(fixture.folder, "disk");
    await mkdir(disk);
    await Bun.$`mount -t tmpfs -o size=64k tmpfs ${disk}`;
    try {
      const path = join(disk, "web.log");
      expect(() => writeFileSync(path, new Uint8Array(100_000))).toThrow("ENOSPC");
      await daemon({ StandardErrorPath: path });
      expect(await fixture.greet()).toBe("hello");
      const { exit, causes } = await status();
      // It serves all the same.
      expect(exit).toBe(0);
      expect(causes).toEqual(["the disk of its log FOLDER/disk/web.log is full, so what it says is lost; make room"]);
      await fixture.run(["--stop", label]);
    } finally {
      await Bun.$`umount -l ${disk}`;
    }
  });

  test("that somebody has disabled, or switched off in System Settings, says so", async () => {
    fixture.start({ disabled: [label] });
    await write(daemonPath());
    expect(await status()).toMatchObject({
      ...{ exit: 3, state: "disabled" },
      causes: ["somebody has disabled it (launchctl disable); --start enables and starts it"],
    });
    await fixture.run(["--start", label]);
    await fixture.run(["--stop", label]);
    const path = isMac ? `/Library/LaunchDaemons/${label}.plist` : daemonPath();
    placeSfltool(isMac ? join(fixture.folder, "usr/bin/sfltool") : join(fixture.launchctl.bin, "sfltool"), [path]);
    expect(await status()).toMatchObject({
      ...{ exit: 3, state: "not loaded" },
      causes: [
        "it is switched off in System Settings, General, Login Items & Extensions, Allow in the Background; switch it on there, then --start",
      ],
    });
  });

  test("whose property list is gone is told as long as launchd has it; one that is nowhere has exit status 4", async () => {
    fixture.start();
    await daemon();
    await rm(daemonPath());
    const { exit, state, causes } = await status();
    expect({ exit, state }).toEqual({ exit: 0, state: "waiting for a connection" });
    expect(causes).toHaveLength(1);
    expect(causes[0]).toContain("is gone or cannot be read, so it is not loaded again");
    await fixture.run(["--stop", label]);
    const nowhere = await fixture.run(["--status", label]);
    expect(nowhere.status).toBe(4);
    expect(nowhere.stderr).toContain(label);
  });

  test("is in the table with the other services of this program, and nobody else's", async () => {
    const [agent, off] = [`${label}.agent`, `${label}.off`];
    fixture.start({ domains: ["system", `gui/${agentUser}`], disabled: [off] });
    await daemon();
    await write(join(fixture.daemons, `${off}.plist`), { Label: off });
    await write(join(fixture.daemons, "org.apache.plist"), { Label: "org.apache", Program: "/usr/sbin/httpd" });
    await write(agentPath(), { Label: agent });
    expect(await fixture.greet()).toBe("hello");
    const { status, stdout } = await fixture.run(["--status", "--json"], ["env", `SUDO_UID=${agentUser}`]);
    expect(status).toBe(0);
    const entries: { name: string; state: string }[] = JSON.parse(stdout);
    // Other tests' daemons are there, too.
    const names = [label, off, agent, "org.apache"];
    const ours = entries.filter(({ name }) => names.includes(name));
    expect(ours.map(({ name, state }) => [name, state])).toEqual([
      [label, "running"],
      [agent, "not loaded"],
      [off, "disabled"],
    ]);
    // One call for each, and one for each domain.
    expect(fixture.calls("print")).toHaveLength(3);
    expect(fixture.calls("print-disabled")).toHaveLength(2);
    const { stdout: shown } = await fixture.run(["--status"]);
    for (const line of shown.split("\n")) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(80);
    expect(shown).toContain(label.slice(0, 10));
  });
});

test("an agent whose port may be another user's is told to be looked at with sudo", async () => {
  fixture.start({ domains: [`gui/${agentUser}`] });
  await write(agentPath(), {
    ...{ KeepAlive: true, EnvironmentVariables: { TMPDIR: join(fixture.folder, "home") } },
    ...{ StandardErrorPath: join(fixture.folder, "home/web.log") },
    ProgramArguments: [fixture.stage.program, "/bin/sh", "-c", "exit 3"],
  });
  const job = await fixture.launchctl.load(`gui/${agentUser}`, agentPath());
  await job.waitFor("its end", () => job.exits.length > 0);
  const { exit, causes } = await status(asUser);
  expect(exit).toBe(3);
  expect(causes[0]).toContain("program `/bin/sh' exited: exit status 3");
  expect(causes.at(-1)).toBe(
    `only root can see whether another user's program holds its port: sudo launch_socket_server --status ${label}`,
  );
});
