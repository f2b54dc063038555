import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { buildBinary } from "plist";
import { alive } from "../processes.ts";
import { waitFor } from "../wait.ts";
import { ask, Fixture, loopback, shell } from "./fixture.ts";
import { Launchd } from "./stand-in.ts";

const fixture = new Fixture();

describe("launch_activate_socket", () => {
  test("returns every descriptor of a name, once", async () => {
    const names = ["Web", "Web", "web", "None", "Path", "Web"];
    const job = await fixture.load({
      ProgramArguments: fixture.probe(...names.flatMap((name) => ["activate", name])),
      RunAtLoad: true,
      Sockets: { Web: [loopback, loopback], None: [], Path: { SockPathName: join(fixture.folder, "socket") } },
    });
    await job.waitFor("the end of the run", () => job.exits.length > 0);
    const ports = [0, 1].map((index) => `127.0.0.1,${job.port("Web", index)},listening,cloexec`);
    const path = `${fixture.folder}/socket,-,listening,cloexec`;
    const lines = [`Web: 0 ${ports.join(" ")}`, "Web: 37", "web: 2", "None: 0", `Path: 0 ${path}`, "Web: 37", ""];
    expect(await job.stdout()).toBe(lines.join("\n"));
    expect(job.exits).toMatchObject([{ code: 0, signal: null, error: null }]);
  });

  test("says ESRCH to a process that launchd did not start", async () => {
    expect(await Bun.$`${fixture.probe("activate", "Web")}`.text()).toBe("Web: 3\n");
  });

  test("says ESRCH to a child of the job, and answers a job that execs", async () => {
    const command = fixture.probe("activate", "Web").join(" ");
    const Sockets = { Web: loopback };
    expect(await fixture.output({ ProgramArguments: shell(`${command}; exit 0`), Sockets })).toBe("Web: 3\n");
    const exec = { Label: "exec", ProgramArguments: shell(`exec env A=b /bin/sh -c 'exec ${command}'`), Sockets };
    expect(await fixture.output(exec)).toMatch(/^Web: 0 127.0.0.1,\d+,listening,cloexec\n$/);
  });

  test("leaves nothing but the sockets open, and nothing to children", async () => {
    const ProgramArguments = fixture.probe("activate", "A", "open", "signals");
    const text = await fixture.output({ ProgramArguments, Sockets: { A: loopback, B: [loopback, loopback] } });
    expect(text).toEndWith("\nopen: 3\nopen in a child: 0\nunusual signals:\n");
  });

  test("gives a job without Sockets ENOENT", async () => {
    expect(await fixture.output({ ProgramArguments: fixture.probe("activate", "Web") })).toBe("Web: 2\n");
  });
});

describe("load", () => {
  test("reads a binary plist and a document as people write it", async () => {
    const file = join(fixture.folder, "job.plist");
    await Bun.write(file, buildBinary({ Label: "binary", ProgramArguments: ["/bin/echo", "binary"], RunAtLoad: true }));
    const binary = await fixture.launchd.load(file, { capture: true });
    await Bun.write(
      file,
      `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
  <key>Label</key> <string>xml</string>
  <key>RunAtLoad</key> <true/>
  <key>ProgramArguments</key>
  <array> <!-- the program --> <string>/bin/echo</string> <string>a &amp; b</string> </array>
</dict></plist>`,
    );
    const xml = await fixture.launchd.load(file, { capture: true });
    await waitFor("both jobs", () => binary.exits.length + xml.exits.length === 2);
    expect([await binary.stdout(), await xml.stdout()]).toEqual(["binary\n", "a & b\n"]);
  });

  test("refuses what it cannot play, and a label that is loaded", async () => {
    const ProgramArguments = ["/bin/true"];
    const refused = (keys: Parameters<Fixture["load"]>[0]) => fixture.load({ ProgramArguments, ...keys });
    await expect(refused({ UserName: "nobody-at-all" })).rejects.toThrow(/no such user|only root/);
    await expect(refused({ KeepAlive: { NetworkState: true } })).rejects.toThrow("does not know NetworkState");
    await expect(refused({ Sockets: { Web: "80" } })).rejects.toThrow("Sockets: Web is not a dictionary");
    await expect(refused({ Sockets: { Web: { SockFamily: "IPX" } } })).rejects.toThrow("one of ipv4, ipv6, ipv4v6");
    await fixture.load({ ProgramArguments });
    await expect(refused({})).rejects.toThrow("com.example.job is loaded already");
  });

  test("keeps no output without `capture`", async () => {
    const file = join(fixture.folder, "job.plist");
    const ProgramArguments = shell("test /dev/null -ef /dev/fd/0 && test /dev/null -ef /dev/fd/2 && exit 7");
    await Bun.write(file, buildBinary({ Label: "quiet", ProgramArguments, RunAtLoad: true }));
    const job = await fixture.launchd.load(file);
    await job.waitFor("the end of the run", () => job.exits.length > 0);
    expect(job.exits[0]?.code).toBe(7);
    await expect(job.stdout()).rejects.toThrow("capture");
  });
});

describe("close", () => {
  test("leaves no process, no socket and no path", async () => {
    const path = join(fixture.folder, "socket");
    const job = await fixture.load({
      ProgramArguments: fixture.probe("activate", "Web", "child", "pause"),
      RunAtLoad: true,
      Sockets: { Web: [loopback, { SockPathName: path }] },
    });
    const child = await job.waitFor("the child", async () => Number((await job.stdout()).match(/child (\d+)/)?.[1]));
    const pids = [job.pid ?? 0, child];
    expect(pids.map(alive)).toEqual([true, true]);
    const port = job.port();
    await fixture.launchd.close();
    expect(pids.map(alive)).toEqual([false, false]);
    expect(existsSync(path)).toBe(false);
    await expect(ask({ port })).rejects.toThrow("ECONNREFUSED");
    expect(job.exits).toMatchObject([{ code: null, signal: "SIGTERM" }]);
  });

  test("kills what ignores SIGTERM, in the job and in what outlives it", async () => {
    const script = `trap "" TERM; (echo child; while :; do sleep 1; done) & ${fixture.probe("stubborn", "pause").join(" ")} & echo $!; exec sleep 1000`;
    fixture.configure({ exitTimeout: 50 });
    const job = await fixture.load({ ProgramArguments: shell(script), RunAtLoad: true });
    await job.waitFor("the children", async () => {
      const printed = await job.stdout();
      return printed.includes("child") && printed.includes("stubborn");
    });
    const pids = [job.pid ?? 0, Number((await job.stdout()).match(/\d+/)?.[0])];
    await fixture.launchd.close();
    expect(pids.map(alive)).toEqual([false, false]);
    expect(job.exits).toMatchObject([{ code: null, signal: "SIGKILL" }]);
  });

  test("is what `await using` does", async () => {
    let pid: number | null;
    {
      await using launchd = new Launchd({ folder: fixture.folder });
      const file = join(fixture.folder, "job.plist");
      await Bun.write(file, buildBinary({ Label: "used", ProgramArguments: ["/bin/sleep", "1000"], RunAtLoad: true }));
      pid = (await launchd.load(file)).pid;
      expect(alive(pid ?? 0)).toBe(true);
    }
    expect(alive(pid ?? 0)).toBe(false);
  });

  test.skipIf(process.platform !== "linux")(
    "is not needed for jobs to end with a test run that is killed",
    async () => {
      const file = join(fixture.folder, "job.plist");
      await Bun.write(
        file,
        buildBinary({ Label: "orphan", ProgramArguments: ["/bin/sleep", "1000"], RunAtLoad: true }),
      );
      const script = `
      import { Launchd } from ${JSON.stringify(join(import.meta.dir, "stand-in.ts"))};
      console.log((await new Launchd({ folder: "/" }).load(process.argv.at(-1))).pid);`;
      await using run = Bun.spawn([process.execPath, "-e", script, file], { stdout: "pipe" });
      const { value } = await run.stdout.getReader().read();
      const pid = Number(new TextDecoder().decode(value));
      expect(alive(pid)).toBe(true);
      run.kill("SIGKILL");
      await waitFor("the end of the job", () => !alive(pid));
    },
  );
});
