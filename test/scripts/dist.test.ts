import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { repository } from "../../scripts/repository.ts";
import { fetchRuntimes, TARGETS } from "../../scripts/runtimes.ts";
import { findProblems } from "../../scripts/verify-signature.ts";
import { copyCheckout, runIn } from "../support/checkout.ts";
import { brewInstall } from "../support/homebrew.ts";
import { peer } from "../support/peers.ts";

const ruby = peer("ruby", "ruby");
const { version } = (await Bun.file("package.json").json()) as { version: string };
const archive = (target: string) => `launch_socket_server-${version}-${target}.tar.gz`;
const dist = (folder: string, environment: Record<string, string> = {}) =>
  runIn(folder, [process.execPath, "scripts/dist.ts"], environment);

let folder: string;
/** Two clones in folders of different depth, each of which made a release of its own. */
let first: string;
let second: string;
let output: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dist-"));
  first = join(folder, "first");
  second = join(folder, "another place/with spaces/second");
  await fetchRuntimes();
  for (const checkout of [first, second]) {
    await copyCheckout(checkout);
    // The runtimes are 400 MB; fetching them is runtimes.test.ts's subject.
    await mkdir(join(checkout, "build"));
    await symlink(resolve("build/runtimes"), join(checkout, "build/runtimes"));
  }
  const made = await dist(first, { RELEASE_URL: "" });
  expect(made.stderr).toBe("");
  expect(made.status).toBe(0);
  output = made.stdout;
  const again = await dist(second, { RELEASE_URL: "https://example.com/project/releases/download/v1/" });
  expect(again.stderr).toBe("");
  expect(again.status).toBe(0);
}, 300_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("dist", () => {
  test("makes an archive for each system, their sums and the formula, and nothing else", async () => {
    const expected = [...TARGETS.map(archive), "SHA256SUMS", "launch_socket_server.rb"].sort();
    expect((await readdir(join(first, "dist"))).sort()).toEqual(expected);
  });

  test("shows its progress", () => {
    TARGETS.forEach((target, i) => {
      expect(output).toContain(`[${i + 1}/4] ${target}: compiling …`);
      expect(output).toContain(`dist/${archive(target)}`);
    });
    expect(output).toContain("compiling … verifying the signature … packing …");
  });

  test("makes the same bytes in another folder", async () => {
    const sums = await Bun.file(join(first, "dist/SHA256SUMS")).text();
    expect(await Bun.file(join(second, "dist/SHA256SUMS")).text()).toBe(sums);
  });

  test("writes sums that sha256sum confirms", async () => {
    const { status, stdout } = await runIn(join(second, "dist"), ["sha256sum", "--check", "SHA256SUMS"]);
    expect(stdout.trim().split("\n").sort()).toEqual(TARGETS.map((target) => `${archive(target)}: OK`).sort());
    expect(status).toBe(0);
  });

  test("packs the install layout below one folder, as root's, with the program alone differing", async () => {
    const listings = await Promise.all(
      TARGETS.map(async (target) => {
        const { stdout } = await runIn(first, ["tar", "-tvzf", `dist/${archive(target)}`, "--numeric-owner"]);
        const lines = stdout.trim().split("\n");
        for (const line of lines) expect(line).toMatch(/^(lrwxrwxrwx|drwxr-xr-x|-rwxr-xr-x|-rw-r--r--) 0\/0 /);
        const root = `launch_socket_server-${version}-${target}`;
        return lines.map((line) => `${line.slice(0, 10)} ${line.slice(line.indexOf(root) + root.length)}`);
      }),
    );
    for (const listing of listings) expect(listing).toEqual(listings[0] ?? []);
    expect(listings[0]).toContain("-rwxr-xr-x /sbin/launch_socket_server");
    expect(listings[0]).toContain("lrwxrwxrwx /bin/launch_socket_server -> ../sbin/launch_socket_server");
    expect(listings[0]).toContain("-rwxr-xr-x /libexec/launch_socket_server/login_wrapper");
    const completions = [
      "share/bash-completion/completions/launch_socket_server",
      "share/zsh/site-functions/_launch_socket_server",
      "share/fish/vendor_completions.d/launch_socket_server.fish",
    ];
    for (const file of ["share/man/man8/launch_socket_server.8", ...completions, "README.md", "LICENSE", "NOTICES"])
      expect(listings[0]).toContain(`-rw-r--r-- /${file}`);
    // The formula names these bytes, and so cannot be one of them.
    expect(listings[0]?.filter((line) => /Formula\/|launch_socket_server\.rb/.test(line))).toEqual([]);
    // No folder that other programs share: whoever unpacks into /usr/local keeps theirs as they are.
    expect(listings[0]?.filter((line) => line.startsWith("d"))).toEqual([
      "drwxr-xr-x /libexec/launch_socket_server/",
      "drwxr-xr-x /share/launch_socket_server/",
      "drwxr-xr-x /share/launch_socket_server/examples/",
    ]);
  });

  test.each(["darwin-arm64", "darwin-x64"] as const)(
    "packs a program for %s with a valid signature",
    async (target) => {
      const unpacked = join(folder, target);
      await mkdir(unpacked);
      await runIn(unpacked, ["tar", "-xzf", join(first, "dist", archive(target)), "--strip-components=1"]);
      const program = await Bun.file(join(unpacked, "sbin/launch_socket_server")).bytes();
      expect(findProblems(program, "launch_socket_server")).toEqual([]);
    },
  );

  test("packs a README whose links lead to the version that it is of", async () => {
    const file = `launch_socket_server-${version}-linux-x64/README.md`;
    const { stdout } = await runIn(first, ["tar", "-xzOf", `dist/${archive("linux-x64")}`, file]);
    const links = [...stdout.matchAll(/\]\(([^)]*)\)/g)].map(([, link = ""]) => link);
    expect(links).toContain(`${repository}/blob/v${version}/docs/install.md`);
    for (const link of links) expect(link).toMatch(/^(https?:|#)/);
  });

  test.skipIf(process.platform !== "linux" || process.arch !== "x64")("packs a program that runs here", async () => {
    const unpacked = join(folder, "linux");
    await mkdir(unpacked);
    await runIn(unpacked, ["tar", "-xzf", join(first, "dist", archive("linux-x64")), "--strip-components=1"]);
    const { status, stdout } = await runIn(unpacked, ["sbin/launch_socket_server", "--version"]);
    expect({ status, stdout: stdout.trim() }).toEqual({ status: 0, stdout: version });
  });

  test("can be unpacked into a prefix that others use, as README says", async () => {
    const prefix = join(folder, "prefix");
    await mkdir(join(prefix, "share"), { recursive: true, mode: 0o770 });
    const { mode } = await stat(join(prefix, "share"));
    const root = `launch_socket_server-${version}-linux-x64`;
    const parts = ["bin", "sbin", "libexec", "share"].map((part) => `${root}/${part}`);
    const strip = ["-C", prefix, "--strip-components", "1"];
    const { status, stderr } = await runIn(join(first, "dist"), ["tar", "-xzf", `${root}.tar.gz`, ...strip, ...parts]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect((await readdir(prefix)).sort()).toEqual(["bin", "libexec", "sbin", "share"]);
    expect((await stat(join(prefix, "share"))).mode).toBe(mode);
    const called = await runIn(prefix, ["bin/launch_socket_server", "--version"]);
    if (process.arch === "x64") expect(called).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
  });

  test("takes the formula's addresses from RELEASE_URL, or else the files of this machine", async () => {
    const local = await Bun.file(join(first, "dist/launch_socket_server.rb")).text();
    expect(local).toContain(`url "${Bun.pathToFileURL(join(first, "dist", archive("darwin-arm64"))).href}"`);
    const released = await Bun.file(join(second, "dist/launch_socket_server.rb")).text();
    expect(released).toContain(`homepage "${repository}"`);
    for (const target of ["darwin-arm64", "darwin-x64"])
      expect(released).toContain(`url "https://example.com/project/releases/download/v1/${archive(target)}"`);
  });

  test.skipIf(ruby === null)("makes a formula that installs its archives (Debian package ruby)", async () => {
    for (const processor of ["arm", "intel"] as const) {
      const formula = join(first, "dist/launch_socket_server.rb");
      const { prefix, url } = await brewInstall(ruby ?? "", formula, join(folder, processor), processor);
      expect(url).toEndWith(archive(processor === "arm" ? "darwin-arm64" : "darwin-x64"));
      const program = await Bun.file(join(prefix, "sbin/launch_socket_server")).bytes();
      expect(findProblems(program, "launch_socket_server")).toEqual([]);
    }
  });
});

describe("dist, when something is wrong", () => {
  test("ends with a sentence when a part of the release is missing, before it builds", async () => {
    const page = join(first, "share/man/man8/launch_socket_server.8");
    const content = await Bun.file(page).text();
    await rm(page);
    const { status, stderr, stdout } = await dist(first);
    await Bun.write(page, content);
    expect(stderr).toBe(
      "launch_socket_server: cannot pack a release: share/man/man8/launch_socket_server.8 is missing\n",
    );
    expect(status).toBe(1);
    expect(stdout).not.toContain("compiling");
  });

  test("ends when the verifier is not content with the signer's work, and leaves nothing behind", async () => {
    const signer = join(second, "scripts/sign.ts");
    const content = await Bun.file(signer).text();
    // A signer that asks for the hardened runtime, which such a program would not survive.
    await Bun.write(signer, content.replace("setUint32(12, CS_ADHOC)", "setUint32(12, CS_ADHOC | 0x10000)"));
    const { status, stderr } = await dist(second);
    expect(stderr).toBe(
      "launch_socket_server: cannot release for darwin-arm64: bad signature: the CodeDirectory's flags is 0x10002 instead of 0x2\n",
    );
    expect(status).toBe(1);
    expect(await readdir(second)).not.toContain("dist");
  });
});
