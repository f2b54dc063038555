import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readlink, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "plist";
import { formula, type Release, releaseOf } from "../../scripts/formula.ts";
import { repository } from "../../scripts/repository.ts";
import { runIn } from "../support/checkout.ts";
import { brewInstall, writeRelease } from "../support/homebrew.ts";
import { Launchd } from "../support/launchd/stand-in.ts";
import { peer } from "../support/peers.ts";
import { untilFree } from "../support/ports.ts";
import { programUnderTest } from "../support/program-under-test.ts";

const ruby = peer("ruby", "ruby");
const { version } = (await Bun.file("package.json").json()) as { version: string };
const bytes = (text: string) => new TextEncoder().encode(text);

describe("formula", () => {
  const release: Release = {
    version: "1.2.3",
    homepage: "https://example.com/project",
    arm64: { url: "https://example.com/arm64.tar.gz", sha256: "a".repeat(64) },
    x64: { url: "https://example.com/x64.tar.gz", sha256: "b".repeat(64) },
  };

  test("refuses what would end a Ruby string or run in it", () => {
    for (const bad of ['"; system("false"); "', "#{1}", "back\\slash", "line\nbreak"])
      expect(() => formula({ ...release, homepage: bad })).toThrow("cannot write the formula");
  });

  const sums = (...archives: string[]) =>
    archives.map((name, i) => `${String(i).repeat(64)}  launch_socket_server-${name}.tar.gz\n`).join("");

  test("is made of the sums of a release, by the address in package.json", async () => {
    const folder = await mkdtemp(join(tmpdir(), "formula-"));
    try {
      const file = join(folder, "SHA256SUMS");
      await Bun.write(file, sums("9.1.0-darwin-arm64", "9.1.0-darwin-x64", "9.1.0-linux-x64", "9.1.0-linux-arm64"));
      const { status, stdout } = await runIn(".", [process.execPath, "scripts/formula.ts", file]);
      const url = (target: string) =>
        `${repository}/releases/download/v9.1.0/launch_socket_server-9.1.0-${target}.tar.gz`;
      expect({ status, stdout }).toEqual({
        status: 0,
        stdout: formula({
          version: "9.1.0",
          homepage: repository,
          arm64: { url: url("darwin-arm64"), sha256: "0".repeat(64) },
          x64: { url: url("darwin-x64"), sha256: "1".repeat(64) },
        }),
      });
      await Bun.write(file, sums("9.1.0-darwin-arm64", "9.1.0-linux-x64"));
      expect(await runIn(".", [process.execPath, "scripts/formula.ts", file])).toEqual({
        status: 1,
        stdout: "",
        stderr: "launch_socket_server: cannot write the formula: there is no archive for darwin-x64\n",
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.each([
    ["", 0],
    [sums("1.0.0-darwin-arm64", "1.0.1-darwin-x64"), 2],
  ])("is not made of sums of %# versions", (text, count) => {
    expect(() => releaseOf(text, () => "")).toThrow(`the sums are of ${count} versions instead of one`);
  });

  test("has no line longer than Homebrew's style allows", () => {
    // `brew style` allows 118 columns, but for long URLs.
    for (const line of formula(release).split("\n")) expect(line.length).toBeLessThanOrEqual(118);
  });
});

describe.skipIf(ruby === null)("formula, installed by a stand-in for Homebrew (Debian package ruby)", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "formula-"));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const install = async (test?: "test") => {
    const { path } = await writeRelease(folder, bytes("#!/bin/sh\nexit 3\n"));
    return brewInstall(ruby ?? "", path, join(folder, "homebrew"), "arm", test);
  };

  test("puts everything where the original's formula puts it", async () => {
    const { prefix, opt_prefix } = await install();
    const files = await readdir(prefix, { recursive: true, withFileTypes: true });
    const paths = files.filter((file) => !file.isDirectory()).map((file) => join(file.parentPath, file.name));
    expect(paths.map((path) => path.slice(prefix.length + 1)).sort()).toEqual([
      "LICENSE",
      "NOTICES",
      "README.md",
      "bin/launch_socket_server",
      "etc/bash_completion.d/launch_socket_server",
      "libexec/launch_socket_server/login_wrapper",
      "sbin/launch_socket_server",
      "share/fish/vendor_completions.d/launch_socket_server.fish",
      "share/launch_socket_server/examples/nginx/example.plist",
      "share/man/man8/launch_socket_server.8",
      "share/zsh/site-functions/_launch_socket_server",
    ]);
    for (const program of ["sbin/launch_socket_server", "libexec/launch_socket_server/login_wrapper"])
      expect((await stat(join(prefix, program))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(prefix, "bin/launch_socket_server"))).toBe("../sbin/launch_socket_server");
    expect(await Bun.file(join(prefix, "share/launch_socket_server/examples/nginx/example.plist")).text()).toBe(
      `<string>${opt_prefix}/sbin/launch_socket_server</string>\n`,
    );
  });

  test("is for macOS 13 and newer, and not for Linux", async () => {
    expect((await install()).requirements).toEqual(["macos", "macos=>ventura on macOS"]);
  });

  test("has a service whose socket has the name that the program asks for, on this machine alone", async () => {
    const installed = await install();
    expect(parse(await Bun.file(installed.plist).text())).toEqual({
      Label: "homebrew.mxcl.launch_socket_server",
      ProgramArguments: [`${installed.opt_prefix}/sbin/launch_socket_server`, "-"],
      RunAtLoad: true,
      StandardOutPath: join(folder, "homebrew/var/log/launch_socket_server.log"),
      StandardErrorPath: join(folder, "homebrew/var/log/launch_socket_server.log"),
      EnvironmentVariables: { LAUNCH_PROGRAM_TCP_ADDRESS: "127.0.0.1:8080", LAUNCH_PROGRAM_STOP_TIMEOUT: "4s" },
      KeepAlive: true,
      ExitTimeOut: 9,
      Sockets: { Socket: { SockNodeName: "127.0.0.1", SockServiceName: "80", SockProtocol: "TCP" } },
      LimitLoadToSessionType: ["Aqua", "Background", "LoginWindow", "StandardIO", "System"],
    });
    expect(installed.requires_root).toBe(false);
  });

  test("has a service without ExitTimeOut before Homebrew 6.0.13, whose stop fits into launchd's 5 s", async () => {
    const { path } = await writeRelease(folder, bytes("#!/bin/sh\nexit 3\n"));
    const { plist } = await brewInstall(ruby ?? "", path, join(folder, "homebrew"), "arm", undefined, "6.0.12");
    const service = parse(await Bun.file(plist).text()) as { EnvironmentVariables: Record<string, string> };
    expect(service).not.toHaveProperty("ExitTimeOut");
    expect(service.EnvironmentVariables.LAUNCH_PROGRAM_STOP_TIMEOUT).toBe("4s");
  });

  test("says in its caveats what listens where, in lines that fit a terminal", async () => {
    const { caveats, opt_prefix } = await install();
    expect(caveats).toContain("127.0.0.1:80");
    expect(caveats).toContain("127.0.0.1:8080");
    expect(caveats).toContain("without sudo");
    expect(caveats.split("\n").length).toBeLessThanOrEqual(8);
    for (const line of caveats.replace(opt_prefix, "").split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });

  test("refuses an archive that is not the one it was written for", async () => {
    const { path, archive } = await writeRelease(folder, bytes("#!/bin/sh\n"));
    const changed = await Bun.file(archive).bytes();
    changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1;
    await Bun.write(archive, changed);
    await expect(brewInstall(ruby ?? "", path, join(folder, "homebrew"), "arm")).rejects.toThrow("SHA-256 mismatch");
  });

  test("has a test that the program of this machine passes", async () => {
    const { path } = await writeRelease(folder, await Bun.file(programUnderTest.path).bytes());
    const installed = await brewInstall(ruby ?? "", path, join(folder, "homebrew"), "arm", "test");
    expect(installed.version).toBe(version);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "has a service that launchd can run: port 80 leads to a server on 8080 (needs root)",
    async () => {
      const { path } = await writeRelease(folder, await Bun.file("build/test/launch_socket_server").bytes());
      const { plist } = await brewInstall(ruby ?? "", path, join(folder, "homebrew"), "arm");
      // The formula's ports are fixed, and another test may be using them just now.
      await untilFree(8080);
      await using _server = Bun.serve({
        hostname: "127.0.0.1",
        port: 8080,
        fetch: () => new Response("from the server on 8080"),
      });
      await untilFree(80);
      await using launchd = new Launchd({ folder });
      await launchd.load(plist);
      expect(await (await fetch("http://127.0.0.1:80/")).text()).toBe("from the server on 8080");
    },
    150_000,
  );

  test("has a test that a program which does nothing fails", async () => {
    await expect(install("test")).rejects.toThrow("ended with 3 instead of 1");
  });
});
