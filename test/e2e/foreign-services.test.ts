/** Services that are not ours: --install and --uninstall leave them alone, and --replace takes their place on purpose. */
import { describe, expect, test } from "bun:test";
import { chownSync, existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from "node:fs";
import { chmod, mkdir, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build, type PlistValue } from "plist";
import { greeter, InstallFixture, isRoot } from "../support/install-fixture.ts";
import { waitFor } from "../support/wait.ts";

const fixture = new InstallFixture();
const { label } = fixture;
const sleeping = { Label: label, ProgramArguments: ["/bin/sleep", "1000"], RunAtLoad: true };

async function write(path: string, keys: { [key: string]: PlistValue }): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await Bun.write(path, build(keys));
  await chmod(path, 0o644);
  return path;
}

const elsewhere = () => join(fixture.folder, "elsewhere", `${label}.plist`);

/** What must not have happened to a job that somebody else has loaded. */
function expectUntouched(pid: number | null | undefined): void {
  for (const verb of ["bootout", "bootstrap", "enable"]) expect(fixture.calls(verb)).toEqual([]);
  expect(fixture.launchctl.job(label)?.pid).toBe(pid as number | null);
}

/** The one sentence of a refusal. */
async function refusal(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await fixture.run(words);
  expect({ status, lines: stderr.trim().split("\n").length }).toEqual({ status: 1, lines: 1 });
  expect(stdout).not.toContain("installed");
  return stderr.trim().replace("launch_socket_server: ", "").replaceAll(fixture.folder, "FOLDER");
}

/** The flags may stand before --install, too. */
const install = (...words: string[]) => [...words, "--install", ...fixture.daemonOf("ours")];

describe.skipIf(!isRoot)("a service that is not ours (for root)", () => {
  test.each([
    ["/System/Library/LaunchDaemons/ssh.plist", "LaunchDaemon", "which belongs to macOS"],
    ["(submitted by smd[532])", "Submitted", "and from no file"],
    ["(submitted by smd.340)", "Submitted", "and from no file"],
  ] as const)("loaded from %s is left alone, also by --replace", async (path, type, why) => {
    fixture.start();
    const job = await fixture.launchctl.load("system", await write(elsewhere(), sleeping), { path, type });
    const { pid } = job;
    const said = `launchd has it from ${path}, ${why}`;
    expect(await refusal(...install())).toBe(`cannot install ${label}: ${said}; choose another label`);
    expect(await refusal(...install("--replace"))).toBe(`cannot install ${label}: ${said}; choose another label`);
    for (const dryRun of [[], ["--dry-run"]]) {
      expect(await refusal("--uninstall", label, ...dryRun)).toBe(
        `cannot uninstall ${label}: ${said}; it is left alone`,
      );
    }
    expectUntouched(pid);
    expect(existsSync(fixture.daemon)).toBe(false);
  });

  test("loaded from a file elsewhere is left alone, and so is ours at our place", async () => {
    fixture.start();
    const job = await fixture.launchctl.load("system", await write(elsewhere(), sleeping));
    const { pid } = job;
    const said = `launchd has it from FOLDER/elsewhere/${label}.plist, and not from FOLDER/Library/LaunchDaemons/${label}.plist`;
    expect(await refusal(...install())).toBe(
      `cannot install ${label}: ${said}; choose another label, or take its place with --replace`,
    );
    const ours = { ...sleeping, ProgramArguments: [fixture.stage.program, "/bin/sleep", "1000"] };
    await write(fixture.daemon, ours);
    expect(await refusal("--uninstall", label)).toBe(
      `cannot uninstall ${label}: ${said}; use launchctl bootout system/${label} if that is meant`,
    );
    expectUntouched(pid);
    expect(existsSync(fixture.daemon)).toBe(true);
  });

  test("loaded from our place, but running another program, is left alone, whatever the file says now", async () => {
    fixture.start();
    const { pid } = await fixture.launchctl.load("system", await write(fixture.daemon, sleeping));
    await write(fixture.daemon, { ...sleeping, ProgramArguments: [fixture.stage.program, "/bin/sleep", "1000"] });
    const said = "launchd runs /bin/sleep under this label";
    expect(await refusal(...install())).toContain(said);
    expect(await refusal("--uninstall", label)).toContain(said);
    expectUntouched(pid);
  });

  const linked = { ...sleeping, ProgramArguments: ["/bin/ls", "launch_socket_server"] };
  test.each([
    ["runs another program", linked, "runs /bin/ls"],
    [
      "runs another Program",
      { ...linked, Program: "/bin/ls", ProgramArguments: ["launch_socket_server"] },
      "runs /bin/ls",
    ],
    ["runs nothing", { Label: label }, "runs nothing"],
    ["is that of another label", { ...linked, Label: "com.example.other" }, "is the plist of com.example.other"],
  ])("whose file %s is left alone", async (_, keys, said) => {
    fixture.start();
    await write(fixture.daemon, keys);
    const before = await Bun.file(fixture.daemon).text();
    expect(await refusal(...install())).toBe(
      `cannot install ${label}: FOLDER/Library/LaunchDaemons/${label}.plist ${said}; choose another label, or take its place with --replace`,
    );
    expect(await refusal("--uninstall", label)).toEndWith(`${said}; remove it by hand if that is meant`);
    expect(await Bun.file(fixture.daemon).text()).toBe(before);
    expectUntouched(undefined);
  });

  test("whose file cannot be read is left alone", async () => {
    fixture.start();
    await mkdir(fixture.daemons, { recursive: true });
    await Bun.write(fixture.daemon, "no property list");
    expect(await refusal(...install())).toContain(
      `${label}.plist cannot be read as a property list (it is neither XML nor binary)`,
    );
    expect(await refusal("--uninstall", label)).toContain("cannot be read as a property list");
    await rm(fixture.daemon);
    await symlink("nowhere", fixture.daemon);
    expect(await refusal(...install())).toContain("cannot be read as a property list (ENOENT)");
    await rm(fixture.daemon);
    await mkdir(fixture.daemon);
    expect(await refusal(...install())).toContain(`${label}.plist is not a file; choose another label`);
    expect(await refusal("--uninstall", label)).toContain("is not a file");
    expectUntouched(undefined);
  });

  test("is ours where its program is a link to launch_socket_server, under whatever name", async () => {
    fixture.start();
    const name = join(fixture.folder, "sockets");
    await symlink(fixture.stage.program, name);
    const keys = { ...sleeping, ProgramArguments: [name, "/bin/sleep", "1000"] };
    await fixture.launchctl.load("system", await write(fixture.daemon, keys));
    expect(await fixture.run(["--uninstall", label])).toMatchObject({ status: 0, stderr: "" });
    expect(existsSync(fixture.daemon)).toBe(false);
    expect(fixture.launchctl.loaded).toEqual([]);
  });

  test.each(["com.apple.ftpd", "COM.Apple.ftpd"])("with the label %s is Apple's", async (apple) => {
    fixture.start();
    const rest = fixture.daemonOf("ours").slice(1);
    const said = `cannot use "${apple}" as a label: labels that begin with com.apple. are Apple's`;
    expect(await refusal("--install", apple, ...rest)).toContain(said);
    expect(await refusal("--install", apple, "--replace", ...rest)).toContain(said);
    expect(await refusal("--uninstall", apple)).toContain(said);
    const file = await write(join(fixture.folder, `${apple}.plist`), { ...sleeping, Label: apple });
    const { status, stdout } = await fixture.run(["--install", file, "--replace"]);
    expect([status, stdout]).toEqual([1, expect.stringContaining("labels that begin with com.apple. are Apple's")]);
    expect(fixture.launchctl.calls).toEqual([]);
  });
});

describe.skipIf(!isRoot)("--replace (for root)", () => {
  const replace = (greeting: string) => ["--replace", "--install", ...fixture.daemonOf(greeting)];
  const failing = () => ["--install", label, "--replace", ...fixture.service("--user", "root", "sh", "-c", "exit 3")];
  const files = () => readdirSync(fixture.daemons).sort();

  test("keeps the plist that was there beside, never over another, and --uninstall names it", async () => {
    fixture.start();
    await fixture.launchctl.load("system", await write(fixture.daemon, sleeping));
    const theirs = await Bun.file(fixture.daemon).text();
    await Bun.write(`${fixture.daemon}.replaced`, "from before");

    const shown = await fixture.run(["--dry-run", ...replace("ours")]);
    expect(shown.stdout).toContain(
      `launchctl bootout system/${label}\nkeep ${fixture.daemon} as ${fixture.daemon}.replaced.2\nreplace ${fixture.daemon}`,
    );
    expect(files()).toEqual([`${label}.plist`, `${label}.plist.replaced`]);

    const { status, stdout, stderr } = await fixture.run(replace("ours"));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain(`what was there before is kept as ${fixture.daemon}.replaced.2\n`);
    expect(await fixture.greet()).toBe("ours");
    expect(await Bun.file(`${fixture.daemon}.replaced`).text()).toBe("from before");
    expect(await Bun.file(`${fixture.daemon}.replaced.2`).text()).toBe(theirs);

    // Ours over ours leaves nothing more.
    expect(await fixture.run(replace("again"))).toMatchObject({ status: 0, stderr: "" });
    expect(files()).toHaveLength(3);
    const removed = await fixture.run(["--uninstall", label]);
    expect(removed.stdout).toStartWith(
      [
        `${label} is uninstalled`,
        `${fixture.daemon}.replaced is still there: the property list that --replace took the place of`,
        `${fixture.daemon}.replaced.2 is still there: the property list that --replace took the place of`,
        "",
      ].join("\n"),
    );
    expect(files()).toHaveLength(2);
  });

  test("puts a file back when the new service fails, with owner and mode, and its job", async () => {
    fixture.start();
    const { pid } = await fixture.launchctl.load("system", await write(fixture.daemon, sleeping));
    chownSync(fixture.daemon, 0, 12);
    await chmod(fixture.daemon, 0o600);
    const before = lstatSync(fixture.daemon);
    const { status, stderr } = await fixture.run(failing());
    expect(status).toBe(1);
    expect(stderr).toContain("it ended with status 1; the service that was there is back");
    const { ino, uid, gid, mode } = lstatSync(fixture.daemon);
    expect({ ino, uid, gid, mode }).toEqual({ ino: before.ino, uid: 0, gid: 12, mode: before.mode });
    expect(files()).toEqual([`${label}.plist`]);
    expect(fixture.launchctl.job(label)?.pid).not.toBe(pid as number);
    expect(fixture.launchctl.job(label)?.state).toBe("running");
  });

  test("puts a link back as a link, and does not start what did not run", async () => {
    fixture.start();
    await mkdir(fixture.daemons, { recursive: true });
    symlinkSync(await write(elsewhere(), sleeping), fixture.daemon);
    const { stderr } = await fixture.run(failing());
    expect(stderr).toContain("the file that was there is back");
    expect(readlinkSync(fixture.daemon)).toBe(elsewhere());
    expect(files()).toEqual([`${label}.plist`]);
    expect(fixture.launchctl.loaded).toEqual([]);

    expect(await fixture.run(replace("ours"))).toMatchObject({ status: 0, stderr: "" });
    expect(readlinkSync(`${fixture.daemon}.replaced`)).toBe(elsewhere());
    expect(lstatSync(fixture.daemon).isFile()).toBe(true);
  });

  test("leaves a label disabled that somebody had disabled, when the new service fails", async () => {
    fixture.start({ disabled: [label] });
    await write(fixture.daemon, sleeping);
    expect((await fixture.run(failing())).stderr).toContain("the file that was there is back");
    expect(fixture.launchctl.loaded).toEqual([]);
    expect(fixture.calls("disable")).toEqual([`disable system/${label}`]);
    expect((await fixture.run(replace("ours"))).status).toBe(0);
    expect(fixture.calls("disable")).toHaveLength(1);
  });

  test("tells what cannot come back: a job whose plist was gone before", async () => {
    fixture.start();
    const ours = { ...sleeping, ProgramArguments: [fixture.stage.program, "/bin/sleep", "1000"] };
    await fixture.launchctl.load("system", await write(fixture.daemon, ours));
    await rm(fixture.daemon);
    const { stderr } = await fixture.run(failing());
    expect(stderr).toContain(`the service that was there is not back: its plist ${fixture.daemon} was gone before`);
    expect(files()).toEqual([]);
  });

  test("takes the place of a job from elsewhere, says so, and has it started again when the new one fails", async () => {
    fixture.start();
    await fixture.launchctl.load("system", await write(elsewhere(), sleeping));
    const { stderr } = await fixture.run(failing());
    expect(stderr).toContain("the service that was there is back");
    expect(existsSync(fixture.daemon)).toBe(false);
    expect(fixture.calls("bootstrap").at(-1)).toBe(`bootstrap system ${elsewhere()}`);
    expect(fixture.launchctl.job(label)?.state).toBe("running");

    const { status, stdout } = await fixture.run(replace("ours"));
    expect(status).toBe(0);
    expect(stdout).toContain(
      `launchd had ${label} from ${elsewhere()}, which is still there: move it away, or both are loaded at the next start\n`,
    );
    expect(existsSync(elsewhere())).toBe(true);
    expect(await fixture.greet()).toBe("ours");
  });

  test("leaves a file alone that changes while the old job ends", async () => {
    fixture.start();
    const slow = ["/bin/sh", "-c", 'trap "sleep 1; exit 0" TERM; echo ready; while :; do sleep 0.05; done'];
    const job = await fixture.launchctl.load(
      "system",
      await write(fixture.daemon, { ...sleeping, ProgramArguments: slow }),
    );
    await job.waitFor("the trap", async () => (await job.stdout()).includes("ready"));
    const child = fixture.spawn(replace("ours"));
    await waitFor("the bootout", () => fixture.calls("bootout").length > 0);
    await rm(fixture.daemon);
    const changed = { ...sleeping, ProgramArguments: ["/bin/sleep", "2000"] };
    await write(fixture.daemon, changed);
    expect(await new Response(child.stderr).text()).toContain(`${label}.plist has changed meanwhile`);
    expect(await child.exited).toBe(1);
    expect(readFileSync(fixture.daemon, "utf8")).toBe(build(changed));
    expect(files()).toEqual([`${label}.plist`]);
  });

  test("goes with --install alone", async () => {
    fixture.start();
    expect(await refusal("--uninstall", label, "--replace")).toContain("cannot use --replace with --uninstall");
    expect(await refusal("--print-plist", label, "--replace", ...greeter("x"))).toContain(
      "cannot use --replace with --print-plist",
    );
  });
});
