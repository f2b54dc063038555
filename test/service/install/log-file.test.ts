import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, lstatSync, statSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logCommand, makeLog } from "../../../src/service/install/log-file.ts";

const uid = process.getuid?.() ?? 0;
const me = { name: "me", uid, groups: [process.getgid?.() ?? 0] };
let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "log-file-"));
  path = join(folder, "Logs/web.log");
});
afterEach(() => rm(folder, { recursive: true }));

test("is made for its user alone, and kept where it is that user's", async () => {
  makeLog(path, me);
  expect(statSync(path)).toMatchObject({ uid, size: 0 });
  expect(statSync(path).mode & 0o7777).toBe(0o640);
  await Bun.write(path, "line\n");
  makeLog(path, me);
  expect(await Bun.file(path).text()).toBe("line\n");
});

test("never follows a link, nor takes what is somebody else's or no file", async () => {
  await mkdir(join(folder, "Logs"));
  await symlink(join(folder, "target"), path);
  const sentence = `cannot make the log ${path}: what is there is not a regular file of me; move it away, or name another by --log`;
  expect(() => makeLog(path, me)).toThrow(sentence);
  expect(existsSync(join(folder, "target"))).toBe(false);
  expect(lstatSync(path).isSymbolicLink()).toBe(true);
  await rm(path);
  await mkdir(path);
  expect(() => makeLog(path, me)).toThrow(sentence);
  await rm(path, { recursive: true });
  await Bun.write(path, "");
  expect(() => makeLog(path, { ...me, uid: uid + 1 })).toThrow(sentence);
});

test("an agent's is its user's to make, in a folder that is there", () => {
  makeLog(path, null);
  expect(existsSync(path)).toBe(false);
  expect(statSync(join(folder, "Logs")).isDirectory()).toBe(true);
});

// On a Mac every user is in the primary group of every other: staff.
test.skipIf(uid !== 0)("has the group of its folder, as what is made there by hand (for root)", async () => {
  await mkdir(join(folder, "Logs"));
  await chown(join(folder, "Logs"), 0, 60_080);
  makeLog(path, { ...me, uid: 60_501, groups: [60_020] });
  expect(statSync(path)).toMatchObject({ uid: 60_501, gid: 60_080 });
});

describe("the command for who installs by hand", () => {
  /** Without sudo. */
  const run = async () => {
    const user = (await Bun.$`id -un`.text()).trim();
    const command = logCommand({ path, user })?.replace("sudo ", "") ?? "";
    return Bun.spawn(["sh", "-c", command]).exited;
  };

  test("makes the log, and keeps one that is there", async () => {
    path = join(folder, "Logs/a b's.log");
    await mkdir(join(folder, "Logs"));
    expect(await run()).toBe(0);
    expect(statSync(path)).toMatchObject({ uid, size: 0 });
    expect(statSync(path).mode & 0o7777).toBe(0o640);
    await Bun.write(path, "line\n");
    await chmod(path, 0o600);
    expect(await run()).toBe(0);
    expect(await Bun.file(path).text()).toBe("line\n");
    expect(statSync(path).mode & 0o7777).toBe(0o600);
  });

  test("is one line that may be copied, and none for an agent", () => {
    expect(logCommand({ path: "/Library/Logs/web.log", user: "sam" })).toBe(
      "test -e /Library/Logs/web.log || sudo install -m 640 -o sam /dev/null /Library/Logs/web.log",
    );
    expect(logCommand({ path, user: null })).toBeNull();
  });
});
