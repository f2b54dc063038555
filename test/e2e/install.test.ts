import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readPlist } from "../../src/service/plist/read.ts";
import { agentUser, asUser, greeter, InstallFixture, isRoot } from "../support/install-fixture.ts";
import { quietHost } from "../support/launchd/fixture.ts";
import { programUnderTest, runsMacProgram } from "../support/program-under-test.ts";
import { waitFor } from "../support/wait.ts";

const fixture = new InstallFixture();
const { label } = fixture;

describe.skipIf(!isRoot)("a daemon (for root)", () => {
  test("is written, loaded, tried out, replaced and removed", async () => {
    fixture.start();
    const installed = await fixture.run(["--install", ...fixture.daemonOf("first")]);
    expect(installed).toEqual({
      status: 0,
      stderr: "",
      stdout: [
        `working folder: ${fixture.folder}`,
        `log: ${fixture.daemonLog}`,
        "note: UserName: the program runs as root; name a user with no other rights",
        `${label}: 0 errors, 1 note`,
        `${label} is installed as ${fixture.daemon}`,
        `${fixture.address}: a client is connected to the program`,
        `its log is ${fixture.daemonLog}`,
        "",
      ].join("\n"),
    });
    const { uid, gid, mode } = statSync(fixture.daemon);
    expect({ uid, gid, mode: mode & 0o7777 }).toEqual({ uid: 0, gid: 0, mode: 0o644 });
    expect(readPlist(readFileSync(fixture.daemon))).toMatchObject({
      ...{ Label: label, KeepAlive: true },
      ProgramArguments: [fixture.stage.program, ...greeter("first")],
    });
    expect(await fixture.greet()).toBe("first");
    const { pid = null } = fixture.launchctl.job(label) ?? {};
    expect(runsMacProgram(pid)).toBe(programUnderTest.platform === "macos");

    expect(await fixture.run(["--install", ...fixture.daemonOf("second")])).toMatchObject({ status: 0, stderr: "" });
    expect(await fixture.greet()).toBe("second");
    // The label was not to be had at once, and the old service was gone before.
    expect(fixture.calls("bootstrap").length).toBeGreaterThan(2);
    expect(fixture.calls("bootout")).toEqual([`bootout system/${label}`]);

    const removed = await fixture.run(["--uninstall", label]);
    expect(removed).toEqual({
      status: 0,
      stdout: `${label} is uninstalled\n${fixture.daemonLog} is still there: its log\n`,
      stderr: "",
    });
    expect(existsSync(fixture.daemon)).toBe(false);
    expect(fixture.launchctl.job(label)).toBeUndefined();
    const again = await fixture.run(["--uninstall", label]);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain(
      `cannot uninstall ${label}: there is no ${fixture.daemon}, and launchd knows no such service`,
    );
    expect(readdirSync(fixture.daemons)).toEqual([]);
  });

  test("is installed from a file, byte for byte, and starts on demand", async () => {
    fixture.start();
    const log = join(fixture.folder, "hello.log");
    const printed = await fixture.run([
      "--print-plist",
      label,
      "--on-demand",
      "--log",
      log,
      ...fixture.daemonOf("from a file").slice(1),
    ]);
    const file = join(fixture.folder, `${label}.plist`);
    const text = `${printed.stdout}<!-- mine -->\n`;
    await Bun.write(file, text);
    const { status, stdout } = await fixture.run(["--install", `${label}.plist`]);
    expect({ status, text: await Bun.file(fixture.daemon).text() }).toEqual({ status: 0, text });
    expect(stdout).toContain(`its log is ${log}`);
    expect(fixture.launchctl.job(label)?.starts).toBe(1);
  });

  test("is not touched by --dry-run, which shows everything", async () => {
    fixture.start();
    const shown = await fixture.run(["--dry-run", "--install", ...fixture.daemonOf("dry")]);
    expect(shown.status).toBe(0);
    expect(shown.stdout).toContain(
      [
        `make ${fixture.daemonLog} (root, mode 0640) unless it is there`,
        `write ${fixture.daemon} (root:wheel, mode 0644)`,
        `launchctl enable system/${label}`,
        `launchctl bootstrap system ${fixture.daemon}`,
        `connect to ${fixture.address}`,
        "",
        "<?xml",
      ].join("\n"),
    );
    expect(existsSync(join(fixture.folder, "Library"))).toBe(false);
    await fixture.run(["--install", ...fixture.daemonOf("dry")]);
    const replaced = await fixture.run(["--dry-run", "--install", ...fixture.daemonOf("dry")]);
    expect(replaced.stdout).toContain(`launchctl bootout system/${label}\nreplace ${fixture.daemon}`);
    const removed = await fixture.run(["--uninstall", label, "--dry-run"]);
    expect(removed.stdout).toStartWith(`launchctl bootout system/${label}\nremove ${fixture.daemon}\n`);
    expect(await fixture.greet()).toBe("dry");
  });

  test("with an error is refused before anything is changed", async () => {
    fixture.start();
    await fixture.run(["--install", ...fixture.daemonOf("good")]);
    const words = fixture.service("--user", "no-such-user", ...greeter("bad"));
    const { status, stdout, stderr } = await fixture.run(["--install", label, ...words]);
    expect(status).toBe(1);
    expect(stdout).toContain('error: UserName: this machine has no user "no-such-user"');
    expect(stderr).toBe(
      `launch_socket_server: cannot install ${label}: the checks found 1 error; fix what is listed above\n`,
    );
    expect(fixture.calls("bootout")).toEqual([]);
    expect(await fixture.greet()).toBe("good");
  });

  test("that does not come up gives its place back to the one before", async () => {
    fixture.start();
    await fixture.run(["--install", ...fixture.daemonOf("good")]);
    const before = await Bun.file(fixture.daemon).text();
    const { status, stderr } = await fixture.run([
      "--install",
      label,
      ...fixture.service("--user", "root", "sh", "-c", "exit 3"),
    ]);
    expect(status).toBe(1);
    expect(stderr).toBe(
      `launch_socket_server: cannot install ${label}: it ended with status 1; the service that was there is back; see ${fixture.daemonLog}\n`,
    );
    expect(await Bun.file(fixture.daemon).text()).toBe(before);
    expect(await fixture.greet()).toBe("good");
  });

  test("that does not come up leaves nothing where nothing was", async () => {
    fixture.start();
    const log = join(fixture.folder, "hello.log");
    const words = fixture.service("--user", "root", "--log", log, "sh", "-c", "exit 3");
    const { status, stderr } = await fixture.run(["--install", label, ...words]);
    expect(status).toBe(1);
    expect(stderr).toContain(`it ended with status 1; nothing is installed; see ${log}\n`);
    expect(readdirSync(fixture.daemons)).toEqual([]);
    expect(fixture.launchctl.job(label)).toBeUndefined();
  });

  test("is put back when the installation is interrupted", async () => {
    fixture.start();
    await fixture.run(["--install", ...fixture.daemonOf("good")]);
    fixture.launchctl.calls.length = 0;
    // It never lives for the time that a service has to.
    const child = fixture.spawn(["--install", label, ...fixture.service("--user", "root", ...greeter("new"))]);
    await waitFor("the new service", () => fixture.calls("bootstrap").length > 0);
    child.kill("SIGINT");
    expect(await new Response(child.stderr).text()).toContain("it was interrupted; the service that was there is back");
    expect(await child.exited).toBe(1);
    expect(await fixture.greet()).toBe("good");
  });

  test("that launchd goes on refusing ends in a sentence", async () => {
    fixture.start({ settle: 60_000 });
    await fixture.run(["--install", ...fixture.daemonOf("good")]);
    await fixture.run(["--uninstall", label]);
    const { status, stderr } = await fixture.run(["--install", ...fixture.daemonOf("good")]);
    expect(status).toBe(1);
    expect(stderr).toContain(
      "launchd does not load it (Bootstrap failed: 5: Input/output error), and it says no more: try again in a few seconds",
    );
    expect(existsSync(fixture.daemon)).toBe(false);
  }, 40_000);
});

describe("an agent", () => {
  test("is its user's, in the home folder, and needs no UserName", async () => {
    fixture.start({ domains: [`gui/${agentUser}`], disabled: [label] });
    const installed = await fixture.run(["--install", label, ...fixture.service(...greeter("agent"))], asUser);
    expect(installed).toMatchObject({ status: 0, stderr: "" });
    expect(installed.stdout).toContain(`${label} is installed as ${fixture.agent}\n${fixture.address}: a client is`);
    const { uid, mode } = statSync(fixture.agent);
    expect({ uid, mode: mode & 0o7777 }).toEqual({ uid: agentUser, mode: 0o644 });
    expect(await fixture.greet()).toBe("agent");
    const { pid = null } = fixture.launchctl.job(label) ?? {};
    expect(statSync(`/proc/${pid}`).uid).toBe(agentUser);
    expect(await fixture.run(["--uninstall", label], asUser)).toMatchObject({ status: 0, stderr: "" });
    expect(existsSync(fixture.agent)).toBe(false);
  });

  test("that does not get its low port is told to be a daemon or to take another port", async () => {
    fixture.start({ domains: [`gui/${agentUser}`], agentsHaveLowPorts: false });
    const words = ["--address", quietHost, "--port", "81", ...greeter("agent")];
    const { status, stderr } = await fixture.run(["--install", label, ...words], asUser);
    expect(status).toBe(1);
    expect(stderr).toContain(
      "; nothing is installed; launchd may not give an agent a port under 1024 on one address: install it as a daemon, by sudo, or take a port from 1024 on; see ",
    );
    expect(existsSync(fixture.agent)).toBe(false);
    expect(await Bun.file(fixture.agentLog).text()).toContain("error activating launch socket");
  });

  test("of a user who is not logged in at the screen ends in a sentence", async () => {
    fixture.start({ domains: ["gui/1"] });
    const { status, stderr } = await fixture.run(["--install", label, ...fixture.service(...greeter("agent"))], asUser);
    expect(status).toBe(1);
    expect(stderr).toContain(
      `cannot reach launchd's gui/${agentUser}: nobody is logged in as this user at the Mac's screen`,
    );
    expect(existsSync(fixture.agent)).toBe(false);
  });
});
