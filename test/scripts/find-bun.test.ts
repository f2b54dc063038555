import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, cp, mkdir, mkdtemp, readdir, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { runIn } from "../support/checkout.ts";
import { peer } from "../support/peers.ts";

const { devDependencies } = (await Bun.file("package.json").json()) as { devDependencies: { bun: string } };
const version = devDependencies.bun;
const npm = peer("npm", "npm");
/** The programs that the script may count on, on a Mac and on Debian. */
const tools = [
  "sh",
  "env",
  "sed",
  "tar",
  "gzip",
  "base64",
  "od",
  "tr",
  "cut",
  "mkdir",
  "mktemp",
  "mv",
  "rm",
  "dirname",
  "uname",
];
const sums = ["sha512sum", "shasum"].filter((tool) => Bun.which(tool) !== null);

let folder: string;
/** The package as npm delivered it. */
let tarball: string;
/** A PATH with the tools alone: no npm, no Bun. */
let bare: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "find-bun-"));
  bare = await path("bare");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A folder for PATH with the tools and these programs, given as what they do in sh. */
async function path(name: string, programs: Record<string, string> = {}): Promise<string> {
  const bin = join(folder, name);
  await mkdir(bin);
  for (const tool of [...tools, ...sums]) {
    if (!(tool in programs)) await symlink(Bun.which(tool) ?? "", join(bin, tool));
  }
  for (const [program, does] of Object.entries(programs)) {
    await Bun.write(join(bin, program), `#!/bin/sh\n${does}\n`);
    await chmod(join(bin, program), 0o755);
  }
  return bin;
}

/** Runs the script in the name of a fresh folder, in which `delivered` lies as the package that was fetched before. */
async function find(name: string, environment: Record<string, string>, delivered?: string) {
  const home = join(folder, name);
  await mkdir(home);
  if (delivered !== undefined) await cp(delivered, join(home, basename(tarball)));
  const bun = join(home, "bun");
  const ended = await runIn(folder, [resolve("scripts/find-bun"), version, bun], environment);
  return { ...ended, bun, left: (await readdir(home)).sort() };
}

async function expectBun(file: string): Promise<void> {
  expect((await runIn(folder, [file, "--version"])).stdout.trim()).toBe(version);
}

async function changed(): Promise<string> {
  const bytes = await Bun.file(tarball).bytes();
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  const file = join(folder, "changed.tgz");
  await Bun.write(file, bytes);
  return file;
}

const refusal = new RegExp(
  `^launch_socket_server: cannot build: @oven/bun-\\S+@${version} is not the package that bun.lock names: its SHA-512 is [0-9a-f]{128} and not [0-9a-f]{128}; .*\\n$`,
);

describe.skipIf(npm === null)("find-bun (needs npm)", () => {
  beforeAll(async () => {
    const { status, stderr, left, bun } = await find("npm", { npm_config_cache: join(folder, "cache") });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(left).toEqual(["bun", expect.stringMatching(/^bun-(darwin|linux)-(aarch64|x64)\.tgz$/)]);
    await expectBun(bun);
    // Newer than what it depends on, however old the package is: make does not ask again.
    expect((await stat(bun)).mtimeMs).toBeGreaterThan((await stat("scripts/find-bun")).mtimeMs);
    tarball = join(folder, "npm", left[1] ?? "");
  }, 120_000);

  test("works without a network from npm's cache", async () => {
    const environment = { npm_config_cache: join(folder, "cache"), npm_config_offline: "true" };
    const { status, bun } = await find("offline", environment);
    expect(status).toBe(0);
    await expectBun(bun);
  });

  test("says so when there is neither network nor package", async () => {
    const environment = { npm_config_cache: join(folder, "empty"), npm_config_offline: "true" };
    const { status, stderr, left } = await find("nothing", environment);
    expect(stderr).toMatch(/launch_socket_server: cannot build: npm cannot get @oven\/bun-.*npm's cache\n$/);
    expect({ status, left }).toEqual({ status: 1, left: [] });
  });

  test("works from the package that it has fetched before, with neither npm nor Bun", async () => {
    const { status, stderr, bun } = await find("again", { PATH: bare }, tarball);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    await expectBun(bun);
  });

  test("refuses a package of which one byte was changed, and unpacks nothing", async () => {
    const { status, stderr, left } = await find("changed", { PATH: bare }, await changed());
    expect(stderr).toMatch(refusal);
    expect({ status, left }).toEqual({ status: 1, left: [] });
  });

  test("refuses the same from npm", async () => {
    // npm pack's last arguments are the folder and the package.
    const lying = `while [ "$1" != --pack-destination ]; do shift; done; cp '${await changed()}' "$2/oven.tgz"`;
    const bin = await path("lying", { npm: lying, cp: `exec '${Bun.which("cp")}' "$@"` });
    const { status, stderr, left } = await find("lied", { PATH: bin });
    expect(stderr).toMatch(refusal);
    expect({ status, left }).toEqual({ status: 1, left: [] });
  });

  test("takes no Bun from PATH, but has it fetch the package", async () => {
    const calls = join(folder, "calls");
    const bin = await path("with-bun", { bun: `echo "$1" >> '${calls}'; exec '${process.execPath}' "$@"` });
    const { status, stderr, bun } = await find("by-bun", { PATH: bin });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect((await Bun.file(calls).text()).split("\n")).toEqual(["pm", "-e", ""]);
    expect(Bun.SHA256.hash(await Bun.file(bun).bytes(), "hex")).toBe(
      Bun.SHA256.hash(await Bun.file(join(folder, "npm/bun")).bytes(), "hex"),
    );
  }, 60_000);
});

describe("find-bun says what is missing", () => {
  test.each([
    ["neither npm nor Bun", {}, /neither bun nor npm is on PATH; install one of them/],
    ["a system without Bun", { uname: "echo Haiku" }, /there is no Bun for Haiku in bun.lock/],
    [
      "a processor without Bun",
      { uname: 'if [ "$1" = -s ]; then echo Linux; else echo riscv64; fi' },
      /there is no Bun for the processor riscv64 in bun.lock/,
    ],
  ])("%s", async (name, programs: Record<string, string>, sentence) => {
    const { status, stderr, left } = await find(name, { PATH: await path(`bin of ${name}`, programs) });
    expect(stderr).toMatch(sentence);
    expect(stderr).toMatch(/^launch_socket_server: cannot build: [^\n]+\n$/);
    expect({ status, left }).toEqual({ status: 1, left: [] });
  });

  test("a version that bun.lock does not name", async () => {
    const file = join(folder, "other/bun");
    const { status, stderr } = await runIn(folder, [resolve("scripts/find-bun"), "1.0.0", file]);
    expect(stderr).toMatch(/bun.lock names no @oven\/bun-\S+ of version 1.0.0, which package.json asks for/);
    expect(status).toBe(1);
  });
});
