/** What becomes of a command's output that cannot be written. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readPlist } from "../../src/service/plist/read.ts";
import { Command, type Ended } from "../support/command.ts";
import { programUnderTest } from "../support/program-under-test.ts";

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "output-"));
  file = join(folder, "a.plist");
  await Bun.write(file, "<plist><dict><key>Label</key><string>a</string></dict></plist>");
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the program with a stdout that this Perl makes. */
async function run(perl: string, args: string[]): Promise<Ended> {
  const through = ["perl", "-MFcntl", "-e", `${perl} or die $!; exec @ARGV`];
  await using command = new Command([programUnderTest.path, ...args], { through });
  return await command.ended();
}

const long = Array.from({ length: 10_000 }, (_, index) => `argument ${index}`);
const commands = [
  ["--help"],
  ["--version"],
  ["--print-plist", "a", "--user", "nobody", "sh", ...long],
  ["--check-plist", "FILE"],
  ["--check-plist", "FILE", "--json"],
];

describe.each(commands)("%s", (...args) => {
  test.each([
    ["a full disk", `open(STDOUT, ">/dev/full")`, "the disk is full; make room, or write it elsewhere"],
    [
      "a pipe that nobody reads",
      `pipe(R, W) && close(R) && open(STDOUT, ">&W")`,
      "whoever read it has gone; let it read to the end, or write into a file",
    ],
  ])("to %s is a sentence and status 1", async (_, stdout, why) => {
    const words = args.map((word) => (word === "FILE" ? file : word));
    const { code, stderr } = await run(stdout, words);
    expect(stderr).toEndWith(`launch_socket_server: cannot write to stdout what was asked for: ${why}\n`);
    expect(code).toBe(1);
  });
});

test("all of it comes through a pipe that is not ready for everything at once", async () => {
  const { code, stdout } = await run("fcntl(STDOUT, F_SETFL, O_WRONLY | O_NONBLOCK)", commands[2] ?? []);
  expect(code).toBe(0);
  const words = readPlist(Buffer.from(stdout)).ProgramArguments as string[];
  expect(words.slice(2)).toEqual(long);
});

test("a list whose notes cannot be told is not printed", async () => {
  const words = ["--print-plist", "a", "--user", "nobody", "sh"];
  expect(await run(`open(STDERR, ">/dev/full")`, words)).toMatchObject({ code: 1, stdout: "" });
});
