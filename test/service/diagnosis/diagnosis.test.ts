import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type PlistValue } from "plist";
import { thisMachine } from "../../../src/service/check/machine.ts";
import { describeVersions, diagnose } from "../../../src/service/diagnosis/diagnosis.ts";
import { gatherFacts } from "../../../src/service/diagnosis/facts.ts";
import { readState } from "../../../src/service/launchd/launchctl.ts";
import { stateOf } from "../../../src/service/launchd/state.ts";

let folder: string;
let path: string;
let tools: { uid: number; lsof: string; sfltool: string };
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "diagnosis-"));
  await mkdir(join(folder, "LaunchAgents"));
  path = join(folder, "LaunchAgents/com.example.web.plist");
  await Bun.write(join(folder, "launch_socket_server"), "");
  await Bun.write(join(folder, "server"), "#!/bin/sh\n");
  await chmod(join(folder, "launch_socket_server"), 0o755);
  await chmod(join(folder, "server"), 0o755);
  tools = {
    uid: 0,
    lsof: await tool("lsof", "p1", "claunchd", "f3", "n127.0.0.1:8080"),
    sfltool: await tool("sfltool"),
  };
});
afterEach(() => rm(folder, { recursive: true }));

/** A tool that only says this. */
async function tool(name: string, ...lines: string[]): Promise<string> {
  const file = join(folder, name);
  await Bun.write(`${file}.txt`, lines.map((line) => `${line}\n`).join(""));
  await Bun.write(file, `#!/bin/sh\ncat ${file}.txt\n`);
  await chmod(file, 0o755);
  return file;
}

const waiting = ["state = not running", "runs = 0", "last exit code = (never exited)"];
const failing = ["state = spawn scheduled", "runs = 7", "last exit code = 1"];

/** The causes for an agent of these keys of which launchd prints these lines; null for one that it has not loaded. */
async function causes(lines: string[] | null, keys: { [key: string]: PlistValue } = {}, disabled = false) {
  const Sockets = { Socket: { SockNodeName: "127.0.0.1", SockServiceName: "8080" } };
  const ProgramArguments = [join(folder, "launch_socket_server"), join(folder, "server")];
  await Bun.write(path, build({ Label: "com.example.web", ProgramArguments, Sockets, ...keys }));
  const loaded = lines === null ? null : readState(lines.map((line) => `\t${line}\n`).join(""));
  const state = stateOf(loaded, disabled, null);
  const facts = await gatherFacts(
    { label: "com.example.web", path, kind: "agent" },
    { loaded, disabled, state, problem: null },
    thisMachine,
  );
  const { causes, works } = await diagnose(facts, tools);
  return [works, ...causes.map((cause) => cause.replaceAll(folder, "FOLDER"))];
}

test("a service that does its work has none", async () => {
  expect(await causes(waiting)).toEqual([true]);
  expect(await causes(["state = running", "pid = 7", "runs = 1"])).toEqual([true]);
});

test("a port that another program has is named, also where launchd prints a service that waits", async () => {
  tools.lsof = await tool("lsof", "p345", "chttpd", "f3", "n127.0.0.1:8080");
  const held =
    "127.0.0.1:8080 is held by httpd (pid 345), so launchd cannot serve it; stop that, then --stop and --start this";
  expect(await causes(waiting)).toEqual([false, held]);
  expect((await causes(failing))[1]).toBe(held);
  tools.uid = 501;
  expect(await causes(waiting)).toEqual([false, held]);
});

test("a port that nobody has is told to root, who sees everybody", async () => {
  tools.lsof = await tool("lsof");
  const nobody =
    "nobody listens on 127.0.0.1:8080: launchd could not bind it; check that it is an address of this machine, then --stop and --start this";
  expect(await causes(waiting)).toEqual([false, nobody]);
  expect(await causes(null)).toEqual([false, "launchd has not loaded it; --start does that"]);
  tools.uid = 501;
  expect(await causes(waiting)).toEqual([true]);
});

test("a log of an older run says nothing of one that was killed or never started", async () => {
  const log = join(folder, "web.log");
  await Bun.write(log, "launch_socket_server: program `node' exited: exit status 3\n");
  for (const end of ["last terminating signal = Killed: 9", "last exit code = 78: EX_CONFIG"]) {
    const [, cause] = await causes(["state = spawn scheduled", "runs = 1", end], { StandardErrorPath: log });
    expect(cause).not.toContain("node");
  }
});

test("without root a holder of the port may stay unseen, which is said where nothing works", async () => {
  tools.uid = 501;
  const said =
    "only root can see whether another user's program holds its port: sudo launch_socket_server --status com.example.web";
  expect(await causes(waiting)).toEqual([true]);
  expect((await causes(failing)).at(-1)).toBe(said);
  expect(await causes(failing, { Sockets: { Socket: { SockPathName: "/tmp/a.sock" } } })).not.toContain(said);
});

test("a program that keeps failing is told by the last that its log says, and by launchd", async () => {
  const log = join(folder, "web.log");
  expect(await causes(failing)).toEqual([false, "it ended with status 1; launchd has started it 7 times"]);
  await Bun.write(log, "node: no such module\nlaunch_socket_server: program `node' exited: exit status 3\n");
  expect(await causes(failing, { StandardErrorPath: log })).toEqual([
    false,
    "program `node' exited: exit status 3 (it ended with status 1); launchd has started it 7 times",
  ]);
  expect(await causes(["state = spawn scheduled", "runs = 1", "last exit reason = OS_REASON_CODESIGNING"])).toEqual([
    false,
    "macOS ended it (OS_REASON_CODESIGNING): its code signature is not valid; install launch_socket_server again",
  ]);
});

test("what the checks find is named where it does not work", async () => {
  const missing = { ProgramArguments: [join(folder, "launch_socket_server"), "/nowhere/server"] };
  const [works, ...rest] = await causes(
    ["state = spawn scheduled", "runs = 3", "last exit code = 78: EX_CONFIG"],
    missing,
  );
  expect(works).toBe(false);
  expect(rest).toEqual([
    "ProgramArguments[1]: there is no /nowhere/server; check the path, or install the program",
    expect.stringContaining("launchd could not start it (78: EX_CONFIG)"),
  ]);
  expect(await causes(["state = running", "pid = 7", "runs = 1"], missing)).toEqual([true]);
});

test("folders that macOS keeps background jobs out of are named", async () => {
  const [, ...rest] = await causes(failing, { StandardErrorPath: "/Users/sam/Documents/web.log" });
  expect(rest).toContain(
    "macOS keeps background jobs out of /Users/sam/Documents (EPERM); move what it uses elsewhere, or give it Full Disk Access",
  );
});

test("what somebody has disabled or switched off is told, and what is not loaded", async () => {
  expect(await causes(null)).toEqual([false, "launchd has not loaded it; --start does that"]);
  expect(await causes(null, {}, true)).toEqual([
    false,
    "somebody has disabled it (launchctl disable); --start enables and starts it",
  ]);
  expect(await causes(waiting, {}, true)).toEqual([
    true,
    "somebody has disabled it (launchctl disable), so it is not loaded again; --start enables it",
  ]);
  tools.sfltool = await tool(
    "sfltool",
    " UUID: 1",
    " Disposition: [enabled, disallowed, notified] (0x9)",
    ` URL: file://${path}`,
  );
  expect(await causes(null)).toEqual([
    false,
    "it is switched off in System Settings, General, Login Items & Extensions, Allow in the Background; switch it on there, then --start",
  ]);
});

test("a property list that is gone is told, and so is a launchd that cannot be asked", async () => {
  const standing = { loaded: readState("\tstate = running\n\tpid = 7\n"), disabled: false, state: "running" } as const;
  const gone = join(folder, "gone.plist");
  const facts = await gatherFacts(
    { label: "a", path: gone, kind: "daemon" },
    { ...standing, problem: null },
    thisMachine,
  );
  expect(await diagnose(facts, tools)).toEqual({
    ...{ works: true, held: false },
    causes: [`its property list ${gone} is gone or cannot be read, so it is not loaded again`],
  });
  const problem = "cannot reach launchd's gui/501: nobody is logged in";
  expect(await diagnose({ ...facts, loaded: null, state: null, problem }, tools)).toMatchObject({
    works: false,
    causes: [problem, expect.stringContaining("is gone or cannot be read")],
  });
});

test("describeVersions tells of an older program that still runs", () => {
  expect(describeVersions("3.0.0", "3.1.0", "a")).toBe("it runs 3.0.0, but 3.1.0 is installed: --restart a");
  expect(describeVersions("3.1.0", "3.1.0", "a")).toBeNull();
  expect(describeVersions(null, "3.1.0", "a")).toBeNull();
  expect(describeVersions("3.0.0", null, "a")).toBeNull();
});
