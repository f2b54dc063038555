import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  daemonsIn,
  folderOf,
  folderProblem,
  makeFolder,
  removeStale,
  socketIn,
  usersWithFolder,
} from "../../src/control/folder.ts";

const uid = process.geteuid?.() ?? 0;
let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "control-"));
  folder = folderOf(uid, parent);
});
afterEach(() => rmSync(parent, { recursive: true }));

/** A process id that nothing has any more. */
async function deadPid(): Promise<number> {
  const child = Bun.spawn(["true"]);
  await child.exited;
  return child.pid;
}

test("it is in /tmp, whatever TMPDIR says, and a socket in it fits into a sun_path", () => {
  const longest = socketIn(folderOf(4_294_967_295), 4_294_967_295);
  expect(longest).toBe("/tmp/launch_socket_server-4294967295/4294967295.sock");
  expect(longest.length).toBeLessThan(104);
});

describe("made", () => {
  test("it is this user's alone; a second time it is taken as it is", () => {
    expect(makeFolder(folder, uid)).toBeNull();
    expect(lstatSync(folder)).toMatchObject({ uid, mode: 0o40700 });
    writeFileSync(socketIn(folder, 1), "");
    expect(makeFolder(folder, uid)).toBeNull();
    expect(existsSync(socketIn(folder, 1))).toBe(true);
  });

  test("under an umask that takes the owner's own rights it is not used", () => {
    const before = process.umask(0o277);
    try {
      expect(makeFolder(folder, uid)).toBe(`${folder} does not have mode 0700; correct that, or remove it`);
    } finally {
      process.umask(before);
    }
  });

  test("where it cannot be, that is the problem", () => {
    expect(makeFolder(join(parent, "missing", "folder"), uid)).toBe(
      `${join(parent, "missing", "folder")} cannot be made (ENOENT)`,
    );
  });

  test.each([0o755, 0o770, 0o701, 0o500])("one of mode %o is not used", (mode) => {
    mkdirSync(folder);
    chmodSync(folder, mode);
    expect(makeFolder(folder, uid)).toBe(`${folder} does not have mode 0700; correct that, or remove it`);
  });

  test("neither a file nor a link is used, not even a link to a folder that would do", () => {
    writeFileSync(folder, "");
    expect(makeFolder(folder, uid)).toBe(`${folder} is not a folder; remove it`);
    rmSync(folder);
    const other = join(parent, "other");
    mkdirSync(other, { mode: 0o700 });
    symlinkSync(other, folder);
    expect(makeFolder(folder, uid)).toBe(`${folder} is a link; remove it`);
    rmSync(other, { recursive: true });
    expect(makeFolder(folder, uid)).toBe(`${folder} is a link; remove it`);
  });

  test.skipIf(uid !== 0)("another user's is not used (as root)", () => {
    mkdirSync(folder, { mode: 0o700 });
    chownSync(folder, 12_345, 12_345);
    expect(makeFolder(folder, uid)).toBe(`${folder} belongs to another user; have it removed`);
    expect(folderProblem(folder, 12_345)).toBeNull();
  });
});

test("the sockets of dead processes are removed, and nothing else", async () => {
  makeFolder(folder, uid);
  const dead = await deadPid();
  const [gone, alive, init, other, odd] = [
    socketIn(folder, dead),
    socketIn(folder, process.pid),
    socketIn(folder, 1),
    join(folder, `${dead}.lock`),
    join(folder, `0${dead}.sock`),
  ] as const;
  for (const path of [gone, alive, init, other, odd]) writeFileSync(path, "");
  expect(daemonsIn(folder)).toEqual([1, process.pid, dead].sort((a, b) => a - b));
  removeStale(folder);
  expect([gone, alive, init, other, odd].map((path) => existsSync(path))).toEqual([false, true, true, true, true]);
  expect(daemonsIn(folder)).toEqual([1, process.pid].sort((a, b) => a - b));
});

test("a socket on which somebody listens stays, though there is no such process here: it may be in another container", async () => {
  makeFolder(folder, uid);
  const path = socketIn(folder, await deadPid());
  const listener = Bun.listen({ unix: path, socket: { data() {} } });
  removeStale(folder);
  expect(existsSync(path)).toBe(true);
  // Nobody listens any more, and the file is there still.
  renameSync(path, `${path}.kept`);
  listener.stop(true);
  renameSync(`${path}.kept`, path);
  removeStale(folder);
  expect(existsSync(path)).toBe(false);
});

test("a folder that is not there has no daemons", () => {
  expect(daemonsIn(folder)).toEqual([]);
  removeStale(folder);
});

test("the users are those whose number is in a name", () => {
  for (const name of ["0", "501", "007", "-1", "web", "5 "]) mkdirSync(join(parent, `launch_socket_server-${name}`));
  mkdirSync(join(parent, "launch_socket_server.abcdef"));
  expect(usersWithFolder(parent).sort()).toEqual([0, 501]);
});
