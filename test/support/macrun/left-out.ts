/**
 * The tests that are left out on the Mac program under macrun, because they look at what is Linux's or is not here. No
 * test is left out for what the program does. An entry is a whole file or one test in it, whose
 * name has those of its `describe` before it.
 */
export interface LeftOut {
  /** Below test/. */
  readonly file: string;
  readonly test?: string;
  readonly why: string;
}

export const leftOut: readonly LeftOut[] = [
  {
    file: "e2e/systemd.test.ts",
    why: "systemd's protocol, which the Mac program does not know; e2e/drop-in has launchd's",
  },
  {
    file: "interop/reload.interop.ts",
    why: "two minutes of the servers' own starts; e2e/reload has the same scene with one server",
  },
  {
    file: "copies.test.ts",
    why: "e2e/reload has its scenes with the whole program",
  },
  {
    file: "system/libc.test.ts",
    why: "the headers that it compiles are Linux's",
  },
  {
    file: "proxy/listener.test.ts",
    test: "the queue is as long as the kernel grants, again after each pause",
    why: "/proc has the limit of Linux, and macrun grants that of a Mac",
  },
  {
    file: "proxy/dial.test.ts",
    test: "an address that does not answer is given up at the deadline",
    why: "XNU takes a backlog of 0 for 128 (uipc_socket.c, solisten), so that no connect hangs",
  },
  {
    file: "proxy/dial.test.ts",
    test: "a connect that hangs behind a dial that is over is counted until it ends, and its socket is closed then",
    why: "as above",
  },
  {
    file: "service/check/machine.test.ts",
    test: "thisMachine knows its groups",
    why: "dscacheutil, which asks Directory Services, is a Mac's",
  },
];

/** For a file below test/: null when all of it is left out, else a pattern for `--test-name-pattern`. */
export function patternWithout(file: string, name = ""): string | null {
  const entries = leftOut.filter((entry) => entry.file === file);
  if (entries.some(({ test }) => test === undefined)) return null;
  const tests = entries.map(({ test = "" }) => test.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return tests.length === 0 ? name : `^(?!\\s*(?:${tests.join("|")})).*${name}`;
}
