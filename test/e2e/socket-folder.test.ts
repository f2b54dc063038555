/** Where the generated socket lies: somebody else on the machine tries to take its place. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Client } from "../support/client.ts";
import { Command } from "../support/command.ts";
import { type ProgramUnderTest, serve } from "../support/program-under-test.ts";

const isRoot = process.getuid?.() === 0;
const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/** Listens at the path that it is told, and answers whatever comes with `genuine`. */
const server = [
  "/usr/bin/perl",
  "-MIO::Socket::UNIX",
  "-e",
  `$SIG{PIPE} = "IGNORE"; my $s = IO::Socket::UNIX->new(Local => $ENV{LAUNCH_PROGRAM_SOCKET_PATH}, Listen => 16) or die $!;
   while (my $c = $s->accept) { print $c "genuine" if defined <$c>; close $c }`,
];

/** Moves the folder of a socket away, and listens in a folder of the same name in its place. */
const attack = `my ($path) = @ARGV; my $folder = $path =~ s{/[^/]*$}{}r;
  rename($folder, "$folder.away") or die "cannot rename: $!\\n"; mkdir($folder) or die "cannot mkdir: $!\\n"; chmod(0755, $folder);
  my $s = IO::Socket::UNIX->new(Local => $path, Listen => 16) or die "cannot listen: $!\\n"; chmod(0777, $path);
  $| = 1; print "taken\\n"; while (my $c = $s->accept) { my $line = <$c>; print "got $line"; print $c "forged"; close $c }`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp("/tmp/folder-");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function ask(program: ProgramUnderTest): Promise<string> {
  using client = await Client.open(program.address);
  return (await client.send("the password\n").over()).text;
}

/** Returns what became of the attempt. */
async function attacked(program: ProgramUnderTest): Promise<{ attack: string; answer: string }> {
  const { target } = program;
  if (target.kind !== "unix") throw new Error("the program has no generated path");
  await using attacker = new Command(["perl", "-MIO::Socket::UNIX", "-e", attack, target.path], { through: nobody });
  const over = await Promise.race([attacker.ended(), attacker.printed(/taken/).then(() => null)]);
  const answer = await ask(program);
  return { attack: over?.stderr ?? attacker.stdout, answer };
}

describe.skipIf(!isRoot)("the generated socket of a daemon of root (for root)", () => {
  test.each([
    ["0777", 0o777],
    ["0775 of a group of users", 0o775],
  ])("is not where others may write: %s", async (_, mode) => {
    await Bun.$`chown 0:65534 ${folder}`;
    await chmod(folder, mode);
    await using program = await serve({ env: { TMPDIR: folder }, program: server });
    expect(await ask(program)).toBe("genuine");
    const { attack, answer } = await attacked(program);
    expect(answer).toBe("genuine");
    expect(attack).toMatch(/^cannot rename: (Permission denied|Operation not permitted)\n$/);
    expect(program.target).toMatchObject({
      path: expect.stringMatching(/^\/tmp\/launch_socket_server\.\w{6}\/socket$/),
    });
    expect(program.stderr).toContain(
      `launch_socket_server: using /tmp for the program's socket and not TMPDIR, which is ${folder}: others could replace a folder there, since ${folder} is theirs or they may write to it\n`,
    );
  });

  test("is where a link led that they may change later", async () => {
    await chmod(folder, 0o755);
    await Bun.$`mkdir ${folder}/safe ${folder}/theirs && ln -s ../safe ${folder}/theirs/link && chown -h nobody ${folder}/theirs ${folder}/theirs/link`;
    await using program = await serve({ env: { TMPDIR: `${folder}/theirs/link` }, program: server });
    // The link is resolved once, and never followed again.
    expect(program.target).toMatchObject({ path: expect.stringContaining(`${folder}/safe/launch_socket_server.`) });
    await Bun.$`ln -sfn /nowhere ${folder}/theirs/link`.quiet();
    expect(await ask(program)).toBe("genuine");
  });

  test("is in a TMPDIR that is root's own", async () => {
    await chmod(folder, 0o700);
    await using program = await serve({ env: { TMPDIR: folder }, program: server });
    expect(dirname(program.target.kind === "unix" ? program.target.path : "")).toStartWith(
      `${folder}/launch_socket_server.`,
    );
    expect(program.stderr).not.toContain("TMPDIR");
  });
});
