import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "plist";
import { readState } from "../../../src/service/launchd/launchctl.ts";
import { waitFor } from "../wait.ts";
import { Launchctl } from "./launchctl.ts";
import { readJob } from "./plist.ts";
import { printed } from "./print.ts";

const isRoot = process.getuid?.() === 0;
const domain = isRoot ? "system" : `gui/${process.getuid?.()}`;
let folder: string;
let launchctl: Launchctl;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "launchctl-"));
  launchctl = new Launchctl({ folder, domains: [domain], disabled: ["job"], settle: 1500 });
});
afterEach(async () => {
  await launchctl[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function call(...words: string[]): Promise<string> {
  const child = Bun.spawn([join(launchctl.bin, "launchctl"), ...words], { stdout: "pipe", stderr: "pipe" });
  const [out, error] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return `${await child.exited} ${out}${error}`;
}

test("loads, shows and stops services as launchctl does, with its delays", async () => {
  const path = join(folder, "job.plist");
  const slow = 'trap "sleep 1; exit 0" TERM; while :; do sleep 0.05; done';
  await Bun.write(path, build({ Label: "job", ProgramArguments: ["/bin/sh", "-c", slow], KeepAlive: true }));
  await chmod(path, 0o644);
  const refused = "5 Bootstrap failed: 5: Input/output error\n";
  expect(await call("print", `${domain}/job`)).toStartWith(
    '113 Bad request.\nCould not find service "job" in domain for ',
  );
  expect(await call("bootout", `${domain}/job`)).toBe("3 Boot-out failed: 3: No such process\n");
  expect(await call("bootstrap", domain, path)).toStartWith(refused);
  expect(await call("enable", `${domain}/job`)).toBe("0 ");
  expect(await call("bootstrap", domain, path)).toBe("0 ");
  const printed = await call("print", `${domain}/job`);
  expect(printed).toContain("\n\tstate = running\n");
  expect(printed).toContain(`\n\tpid = ${launchctl.job("job")?.pid}\n`);
  expect(printed).toContain("\n\tlast exit code = (never exited)\n");
  expect(await call("bootstrap", domain, path)).toStartWith("37 Bootstrap failed: 37: Operation already in progress\n");

  expect(await call("bootout", `${domain}/job`)).toBe("36 Boot-out failed: 36: Operation now in progress\n");
  expect(await call("print", `${domain}/job`)).toContain("\n\tstate = SIGTERMed\n");
  await waitFor("the end of the service", async () => (await call("print", `${domain}/job`)).startsWith("113"));
  expect(await call("bootstrap", domain, path)).toStartWith(refused);
  await waitFor("launchd to take it again", async () => (await call("bootstrap", domain, path)) === "0 ");
  expect(launchctl.calls).toContain(`enable ${domain}/job`);
});

test("refuses a file that others could have written, and what is no plist", async () => {
  const path = join(folder, "job.plist");
  await call("enable", `${domain}/job`);
  await Bun.write(path, build({ Label: "job", ProgramArguments: ["/bin/true"] }));
  await chmod(path, 0o666);
  expect(await call("bootstrap", domain, path)).toStartWith(
    "122 Bootstrap failed: 122: Path had bad ownership/permissions",
  );
  await Bun.write(path, "<plist><string>no dictionary</string></plist>");
  expect(await call("bootstrap", domain, path)).toStartWith("5 ");
  expect(await call("print", "gui/1/job")).toBe("112 Bad request.\nCould not find domain for user gui: 1\n");
  expect(await call("print", domain)).toStartWith(`0 ${domain} = {`);
  expect(await call("reboot", `${domain}/job`)).toStartWith("64 ");
});

test("sends signals, and shows how a job was ended, where from, and that an agent has 60 s at most", async () => {
  const path = join(folder, "job.plist");
  const keys = { Label: "job", ProgramArguments: ["/bin/sleep", "1000"], RunAtLoad: true, ExitTimeOut: 215 };
  await Bun.write(path, build(keys));
  const job = await launchctl.load("gui/501", path, { path: "(submitted by smd.340)", type: "Submitted" });
  expect(launchctl.loaded).toEqual(["gui/501/job"]);
  expect(
    printed({ domain: "gui/501", job, description: readJob(path), stopping: false, path, type: "LaunchAgent" }),
  ).toContain("\n\texit timeout = 60\n");
  job.kill("SIGKILL");
  await job.waitFor("its end", () => job.exits.length === 1);
  const text = printed({
    domain: "gui/501",
    job,
    description: readJob(path),
    stopping: false,
    path,
    type: "LaunchAgent",
  });
  expect(text).toContain("\n\tlast terminating signal = Killed: 9\n");
  expect(readState(text)).toMatchObject({
    ...{ path, program: "/bin/sleep", pid: null },
    ...{ lastEnd: "by the signal Killed: 9", exitTimeout: 60 },
  });
  expect(text).not.toContain("last exit code");
  expect(text).not.toMatch(/^\tpid = /m);

  await Bun.write(path, build({ ...keys, Label: "other" }));
  const other = await launchctl.load(domain, path, { path: "(submitted by smd.340)", type: "Submitted" });
  expect(await call("print", `${domain}/other`)).toContain("\n\tpath = (submitted by smd.340)\n\ttype = Submitted\n");
  expect(await call("kill", "SIGTERM", `${domain}/other`)).toBe("0 ");
  await other.waitFor("its end", () => other.exits.length === 1);
  expect(await call("kill", "SIGTERM", `${domain}/other`)).toStartWith("3 ");
  expect(await call("print", `${domain}/other`)).toContain("\n\tlast terminating signal = Terminated: 15\n");
});

test("starts a job at once, whatever its throttle says, and leaves one alone that runs", async () => {
  const path = join(folder, "job.plist");
  await Bun.write(path, build({ Label: "job", ProgramArguments: ["/bin/sleep", "1000"], KeepAlive: true }));
  expect(await call("kickstart", `${domain}/job`)).toStartWith("113 ");
  expect(await call("kill", "SIGTERM", `${domain}/job`)).toStartWith("113 ");
  const job = await launchctl.load(domain, path);
  const first = job.pid;
  expect(await call("kickstart", `${domain}/job`)).toBe(`37 service spawned with pid: ${first}\n`);
  expect(job.pid).toBe(first);
  job.kill("SIGTERM");
  await job.waitFor("its end", () => job.exits.length === 1);
  expect(await call("print", `${domain}/job`)).toContain("\n\tstate = spawn scheduled\n");
  expect(await call("kickstart", `${domain}/job`)).toBe(`0 service spawned with pid: ${job.pid}\n`);
  expect(job.starts).toBe(2);
  expect(readState((await call("print", `${domain}/job`)).slice(2))).toMatchObject({
    ...{ state: "running", runs: 2, keepAlive: true, spawnFailed: false, minimumRuntime: 10 },
    exit: { kind: "signal", signal: 15, name: "Terminated" },
  });
});

test("prints a job that could not be started, and one that is not kept running", async () => {
  const path = join(folder, "job.plist");
  await Bun.write(path, build({ Label: "job", ProgramArguments: ["/nowhere/server"], RunAtLoad: true }));
  const job = await launchctl.load(domain, path);
  await job.waitFor("its end", () => job.exits.length === 1);
  expect(readState((await call("print", `${domain}/job`)).slice(2))).toMatchObject({
    ...{ state: "not running", pid: null, runs: 1, keepAlive: false, spawnFailed: true },
    exit: { kind: "status", status: 78, name: "EX_CONFIG" },
  });
});

test("loads a job whose address somebody else has, without that socket", async () => {
  using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const path = join(folder, "job.plist");
  const Sockets = {
    Socket: [
      { SockNodeName: "127.0.0.1", SockServiceName: taken.port },
      { SockNodeName: "127.0.0.1", SockServiceName: 0 },
    ],
  };
  await Bun.write(path, build({ Label: "job", ProgramArguments: ["/bin/sleep", "1000"], Sockets }));
  await call("enable", `${domain}/job`);
  expect(await call("bootstrap", domain, path)).toBe("0 ");
  expect(launchctl.job("job")?.sockets.get("Socket")).toHaveLength(1);
});

test.skipIf(!isRoot)("runs an agent as the user of its domain (for root)", async () => {
  const path = join(folder, "job.plist");
  const nobody = 65_534;
  await Bun.write(path, build({ Label: "job", ProgramArguments: ["/usr/bin/id", "-u"], RunAtLoad: true }));
  const job = await launchctl.load(`gui/${nobody}`, path);
  await job.waitFor("its end", () => job.exits.length === 1);
  expect(await job.stdout()).toBe(`${nobody}\n`);
});
