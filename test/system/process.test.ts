import { describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import {
  freeDescriptors,
  isAlive,
  isIgnored,
  peekExit,
  userOf,
  usersOf,
  withOpenFilesLimit,
} from "../../src/system/process.ts";

// First: Bun closes descriptors of a child some time after it has ended, and the tests below start some.
describe("freeDescriptors", () => {
  test("each open descriptor takes one of the free ones", () => {
    const free = freeDescriptors();
    const fds = Array.from({ length: 10 }, () => openSync("/dev/null", "r"));
    expect(freeDescriptors()).toBe(free - 10);
    for (const fd of fds) closeSync(fd);
    expect(freeDescriptors()).toBe(free);
  });

  test("a lower limit leaves fewer", () => {
    const free = withOpenFilesLimit(200, freeDescriptors);
    expect(free).toBeLessThan(200);
    expect(withOpenFilesLimit(150, freeDescriptors)).toBe(free - 50);
  });
});

/** The soft and the hard limit, as a process that is started now gets them. */
const limits = () => Bun.spawnSync(["/bin/sh", "-c", "ulimit -Sn; ulimit -Hn"]).stdout.toString().trim().split("\n");

describe("withOpenFilesLimit", () => {
  test("sets the soft limit for processes started meanwhile, and not for longer", () => {
    const [soft, hard] = limits();
    expect(withOpenFilesLimit(200, limits)).toEqual(["200", hard ?? ""]);
    expect(limits()).toEqual([soft ?? "", hard ?? ""]);
  });

  test("stays within the hard limit", () => {
    const [soft = "", hard = ""] = limits();
    expect(withOpenFilesLimit(Number.MAX_SAFE_INTEGER, limits)).toEqual([hard, hard]);
    expect(limits()).toEqual([soft, hard]);
  });

  test("is over also when the action throws", () => {
    const before = limits();
    const fail = () => {
      throw new Error("thrown");
    };
    expect(() => withOpenFilesLimit(200, fail)).toThrow("thrown");
    expect(limits()).toEqual(before);
  });
});

describe("isIgnored", () => {
  test("tells an ignored signal from one that is handled or has its default", () => {
    const { SIGPIPE, SIGUSR2 } = constants.signals;
    // Bun ignores SIGPIPE.
    expect(isIgnored(SIGPIPE)).toBe(true);
    expect(isIgnored(SIGUSR2)).toBe(false);
    const handler = () => {};
    process.on("SIGUSR2", handler);
    expect(isIgnored(SIGUSR2)).toBe(false);
    process.off("SIGUSR2", handler);
  });
});

test("a child's end can be looked at without taking it from who waits", async () => {
  const ends = [
    { script: "exit 0", expected: { status: 0 } },
    { script: "exit 3", expected: { status: 3 } },
    { script: "kill -KILL $$", expected: { signal: 9 } },
  ];
  for (const { script, expected } of ends) {
    const child = Bun.spawn(["sh", "-c", `read line; ${script}`], { stdin: "pipe" });
    expect(peekExit(child.pid)).toBeNull();
    child.stdin.write("go\n");
    child.stdin.flush();
    // Without a turn of the event loop, in which Bun would wait for it.
    let exit = peekExit(child.pid);
    for (const deadline = performance.now() + 5_000; exit === null && performance.now() < deadline; )
      exit = peekExit(child.pid);
    expect(exit).toEqual(expected);
    await child.exited;
    expect(peekExit(child.pid)).toBeNull();
  }
});

describe("another process", () => {
  test("is alive until it has ended and was waited for", async () => {
    const child = Bun.spawn(["sleep", "100"]);
    expect([isAlive(child.pid), isAlive(process.pid), isAlive(1)]).toEqual([true, true, true]);
    child.kill();
    await child.exited;
    expect(isAlive(child.pid)).toBe(false);
  });

  test("belongs to its effective user", async () => {
    const child = Bun.spawn(["sleep", "100"]);
    expect([userOf(child.pid), userOf(1)]).toEqual([process.geteuid?.() ?? 0, 0]);
    child.kill();
    await child.exited;
    expect(userOf(child.pid)).toBeNull();
    expect(usersOf([1, child.pid, process.pid])).toEqual(
      new Map([
        [1, 0],
        [process.pid, process.geteuid?.() ?? 0],
      ]),
    );
    expect(usersOf([child.pid])).toEqual(new Map());
    expect(usersOf([])).toEqual(new Map());
  });
});
