import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, chown, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { changeable, may } from "../../../src/service/check/access.ts";

const isRoot = process.getuid?.() === 0;
const stranger = { name: "stranger", uid: 60_501, groups: [60_020] };
let folder: string;
const file = () => join(folder, "file");

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "access-"));
  await chmod(folder, 0o755);
  await Bun.write(file(), "");
  await chmod(file(), 0o644);
});
afterEach(() => rm(folder, { recursive: true }));

describe("may", () => {
  test("goes by the bits for everybody", async () => {
    expect(may(stranger, "read", file())).toBe(true);
    expect(may(stranger, "write", file())).toBe(false);
    expect(may(stranger, "execute", file())).toBe(false);
    await chmod(file(), 0o607);
    expect(may(stranger, "write", file())).toBe(true);
    expect(may(stranger, "execute", file())).toBe(true);
    expect(may(stranger, "read", join(folder, "nothing"))).toBe(false);
  });

  test.skipIf(!isRoot)("goes by the owner's bits for the owner, the group's for the group (for root)", async () => {
    await chown(file(), stranger.uid, 0);
    await chmod(file(), 0o177);
    expect(may(stranger, "execute", file())).toBe(true);
    expect(may(stranger, "read", file())).toBe(false);
    await chown(file(), 0, 60_020);
    await chmod(file(), 0o717);
    expect(may(stranger, "execute", file())).toBe(true);
    expect(may(stranger, "write", file())).toBe(false);
  });

  test("needs every folder on the way, wherever links lead", async () => {
    await mkdir(join(folder, "closed"));
    await Bun.write(join(folder, "closed/file"), "");
    await chmod(join(folder, "closed/file"), 0o777);
    await symlink("closed/file", join(folder, "link"));
    expect(may(stranger, "read", join(folder, "link"))).toBe(true);
    await chmod(join(folder, "closed"), 0o700);
    expect(may(stranger, "read", join(folder, "link"))).toBe(false);
  });

  test("root may all but run what nobody may run", () => {
    const root = { name: "root", uid: 0, groups: [0] };
    expect(may(root, "write", file())).toBe(true);
    expect(may(root, "execute", file())).toBe(false);
  });
});

describe.skipIf(!isRoot)("changeable (for root)", () => {
  test("is nothing that is root's alone", () => {
    expect(changeable(file())).toBeNull();
    expect(changeable("/bin/sh")).toBeNull();
    expect(changeable(join(folder, "nothing"))).toBeNull();
  });

  test.each([
    ["everybody may write to", 0, 0, 0o646],
    ["another group may write to", 0, 60_020, 0o664],
    ["somebody else owns", 60_501, 0, 0o600],
  ])("is what %s", async (_, uid, gid, mode) => {
    await chown(file(), uid, gid);
    await chmod(file(), mode);
    expect(changeable(file())).toBe(file());
  });

  test("is not what administrators may write to, whose group is 80 on a Mac", async () => {
    await chown(file(), 0, 80);
    await chmod(file(), 0o664);
    expect(changeable(file(), "macos")).toBeNull();
    expect(changeable(file(), "linux")).toBe(file());
  });

  test("is a folder on the way, unless it is sticky", async () => {
    await chmod(folder, 0o777);
    expect(changeable(file())).toBe(folder);
    await chmod(folder, 0o1777);
    expect(changeable(file())).toBeNull();
  });

  test("is what a link leads through", async () => {
    await mkdir(join(folder, "theirs"));
    await Bun.write(join(folder, "theirs/file"), "");
    await chown(join(folder, "theirs"), 60_501, 0);
    await symlink("theirs", join(folder, "link"));
    expect(changeable(join(folder, "link/file"))).toBe(join(folder, "theirs"));
    await symlink("loop", join(folder, "loop"));
    expect(changeable(join(folder, "loop/file"))).toBeNull();
  });
});
