import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import fc from "fast-check";
import { maxSocketPath } from "../../src/address.ts";
import { UserError } from "../../src/errors.ts";
import { makeSocketFolder, type SocketFolder, socketPathDanger } from "../../src/program/socket-path.ts";
import { check } from "../support/property.ts";

let folder: string;
const made: SocketFolder[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "socket-path."));
});
afterEach(() => {
  for (const one of made.splice(0)) one.remove();
  rmSync(folder, { recursive: true });
  told.length = 0;
});
const told: string[] = [];
const tell = (line: string) => told.push(line);
const make = (temporary: string | undefined, names = ["socket"]): SocketFolder => {
  const one = makeSocketFolder(temporary, names, tell);
  made.push(one);
  return one;
};

describe("makeSocketFolder", () => {
  test("makes a folder of this user alone, with a name that cannot be known before", () => {
    const [first, second] = [make(folder).path("socket"), make(folder).path("socket")];
    expect(dirname(first)).not.toBe(dirname(second));
    for (const path of [first, second]) {
      expect(dirname(dirname(path))).toBe(folder);
      expect(basename(dirname(path))).toMatch(/^launch_socket_server\.\w{6}$/);
      const { mode, uid } = statSync(dirname(path));
      expect([mode & 0o7777, uid]).toEqual([0o700, process.getuid?.() ?? -1]);
      expect(existsSync(path)).toBe(false);
    }
  });

  test("whatever the umask", () => {
    const before = process.umask(0);
    try {
      expect(statSync(dirname(make(folder).path("socket"))).mode & 0o777).toBe(0o700);
    } finally {
      process.umask(before);
    }
  });

  test("a socket can be bound there", () => {
    const path = make(folder).path("socket");
    using _server = Bun.listen({ unix: path, socket: { data() {} } });
    expect(statSync(path).isSocket()).toBe(true);
  });

  test("is removed with everything in it, also twice", async () => {
    const one = make(folder);
    await Bun.write(one.path("left over"), "");
    one.remove();
    one.remove();
    expect(existsSync(dirname(one.path("socket")))).toBe(false);
  });

  test.skipIf(process.getuid?.() !== 0)("is left where it cannot be removed, which is told (for root)", () => {
    const one = make(folder);
    const place = dirname(one.path("socket"));
    const nobody = 65_534;
    process.seteuid?.(nobody);
    try {
      one.remove();
    } finally {
      process.seteuid?.(0);
    }
    expect(existsSync(place)).toBe(true);
    expect(told).toEqual([`cannot remove ${place}, where the program's socket was (EACCES); remove it`]);
  });

  test.each([undefined, ""])("TMPDIR=%p: /tmp", (temporary) => {
    expect(dirname(dirname(make(temporary).path("socket")))).toBe("/tmp");
  });

  test("a TMPDIR that is too long for a socket is not taken: /tmp", () => {
    // launch_socket_server.XXXXXX/socket and two slashes have 35 bytes.
    const longest = maxSocketPath - 35;
    const fits = folder + "/a".repeat((longest - folder.length) / 2).padEnd(longest - folder.length, "a");
    mkdirSync(fits, { recursive: true });
    mkdirSync(`${fits}a`);
    expect(make(fits).path("socket")).toStartWith(`${fits}/launch_socket_server.`);
    expect(make(fits).path("socket").length).toBe(maxSocketPath);
    expect(told).toEqual([]);
    expect(make(`${fits}a`).path("socket")).toStartWith("/tmp/launch_socket_server.");
    expect(told).toEqual([
      `using /tmp for the program's socket and not TMPDIR, which is ${fits}a: a socket's path there would be longer than ${maxSocketPath} bytes`,
    ]);
  });

  test("no path is longer than a socket's may be, or there is a UserError", () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_]{1,100}$/);
    const depth = fc.integer({ min: 0, max: 40 });
    check(
      fc.property(fc.array(name, { minLength: 1, maxLength: 3 }), depth, (names, depth) => {
        const temporary = folder + "/é".repeat(depth);
        mkdirSync(temporary, { recursive: true });
        try {
          const one = makeSocketFolder(temporary, names, tell);
          for (const name of names) expect(Buffer.byteLength(one.path(name))).toBeLessThanOrEqual(maxSocketPath);
          one.remove();
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
          expect(Math.max(...names.map((name) => `/tmp/launch_socket_server.XXXXXX/${name}`.length))).toBeGreaterThan(
            maxSocketPath,
          );
        }
      }),
      100,
    );
  });

  test("a TMPDIR that is not there is a sentence", () => {
    const missing = join(folder, "missing");
    expect(() => make(missing)).toThrow(UserError);
    expect(() => make(missing)).toThrow(
      `cannot make a folder for the program's socket in ${missing}: ENOENT; set TMPDIR to a folder that this user may write to`,
    );
  });
});

describe("socketPathDanger", () => {
  const dangerIn = (mode: number) => {
    const shared = join(folder, mode.toString(8));
    mkdirSync(shared);
    chmodSync(shared, mode);
    return socketPathDanger(join(shared, "socket"));
  };

  test("a folder that others may write to is one, also with the sticky bit: until the program listens there", () => {
    for (const mode of [0o777, 0o703, 0o772, 0o1777]) expect(dangerIn(mode)?.why).toContain("others may write to");
    const path = join(folder, "777", "socket");
    expect(socketPathDanger(path)).toEqual({
      why: `others may write to ${dirname(path)}, so they can put a socket of their own at ${path} and get its connections`,
      fix: "choose a folder that only the program's user may write to, or leave the path out for a generated one",
    });
  });

  test("so is one below a folder that others may write to, but for a sticky one", () => {
    const [outer, inner] = [join(folder, "outer"), join(folder, "outer/inner")];
    mkdirSync(inner, { recursive: true, mode: 0o755 });
    expect(socketPathDanger(join(inner, "socket"))).toBeUndefined();
    chmodSync(outer, 0o777);
    expect(socketPathDanger(join(inner, "socket"))?.why).toStartWith(`others may write to ${outer}, so they can put`);
    chmodSync(outer, 0o1777);
    expect(socketPathDanger(join(inner, "socket"))).toBeUndefined();
  });

  test("a folder of one's own is none, nor one of the administrators, nor one that is not there", () => {
    for (const mode of [0o700, 0o755, 0o770]) expect(dangerIn(mode)).toBeUndefined();
    expect(socketPathDanger(join(folder, "missing", "socket"))).toBeUndefined();
  });
});
