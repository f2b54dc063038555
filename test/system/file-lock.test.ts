import { dlopen } from "bun:ffi";
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileLock, lockFile } from "../../src/system/file-lock.ts";
import { cString, library } from "../../src/system/libc.ts";
import { freeDescriptors } from "../../src/system/process.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "file-lock."));
  path = join(folder, "lock");
});
afterEach(() => rmSync(folder, { recursive: true }));

const take = (): FileLock => {
  const lock = lockFile(path);
  if (lock === null) throw new Error("the lock is held");
  return lock;
};

test("one holder at a time, and nothing is left of it", () => {
  const free = freeDescriptors();
  const first = take();
  expect(lockFile(path)).toBeNull();
  first.release();
  expect(readdirSync(folder)).toEqual([]);
  const second = take();
  first.release();
  expect(lockFile(path)).toBeNull();
  second.release();
  expect(freeDescriptors()).toBe(free);
});

test("a file that was removed and made again is the next holder's", () => {
  const first = take();
  rmSync(path);
  const second = take();
  first.release();
  expect(lockFile(path)).toBeNull();
  second.release();
});

test("what a process that was killed has left is no lock", () => {
  writeFileSync(path, "");
  take().release();
});

test("a program that is started meanwhile does not inherit it", () => {
  const lock = take();
  // The same numbers on Linux and macOS (fcntl(2)).
  const [F_GETFD, FD_CLOEXEC] = [1, 1];
  const { symbols, close } = dlopen(library, { fcntl: { args: ["i32", "i32"], returns: "i32" } });
  expect(symbols.fcntl(lock.fd, F_GETFD)).toBe(FD_CLOEXEC);
  close();
  lock.release();
});

test("only a plain file of this user's is locked", () => {
  // Not by mkfifo(1): Bun closes descriptors of a child some time after it has ended.
  const { symbols, close } = dlopen(library, { mkfifo: { args: ["ptr", "u32"], returns: "i32" } });
  expect(symbols.mkfifo(cString(join(folder, "fifo")), 0o600)).toBe(0);
  close();
  const free = freeDescriptors();
  const codeOf = () => {
    try {
      lockFile(path);
      return "none";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  symlinkSync(join(folder, "elsewhere"), path);
  expect(codeOf()).toBe("ELOOP");
  rmSync(path);
  mkdirSync(path);
  expect(codeOf()).toBe("EISDIR");
  rmSync(path, { recursive: true });
  renameSync(join(folder, "fifo"), path);
  expect(codeOf()).toBe("EPERM");
  rmSync(path);
  if (process.getuid?.() === 0) {
    writeFileSync(path, "");
    chownSync(path, 65_534, 65_534);
    expect(codeOf()).toBe("EPERM");
  }
  path = join(folder, "missing", "lock");
  expect(codeOf()).toBe("ENOENT");
  expect(freeDescriptors()).toBe(free);
});

test("processes that lock and release at once never hold it together", async () => {
  const rounds = 300;
  // Making the file of the other name fails as long as another holder has not removed it.
  const source = `
    import { closeSync, openSync, unlinkSync } from "node:fs";
    import { lockFile } from ${JSON.stringify(join(import.meta.dir, "../../src/system/file-lock.ts"))};
    for (let held = 0; held < ${rounds}; ) {
      const lock = lockFile(${JSON.stringify(path)});
      if (lock === null) continue;
      closeSync(openSync(${JSON.stringify(`${path}.held`)}, "wx"));
      unlinkSync(${JSON.stringify(`${path}.held`)});
      lock.release();
      held++;
    }`;
  const script = join(folder, "holder.ts");
  writeFileSync(script, source);
  const holders = Array.from({ length: 3 }, () => Bun.spawn([process.execPath, script], { stderr: "pipe" }));
  const said = await Promise.all(holders.map(({ stderr }) => stderr.text()));
  expect(said).toEqual(["", "", ""]);
  expect(await Promise.all(holders.map(({ exited }) => exited))).toEqual([0, 0, 0]);
});
