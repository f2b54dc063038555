/**
 * All tests that `make test-mac` does not run although it runs the others of their kind, each reason once: they look at what
 * is Linux's or is not here, or another one shows the same. None is left out for what the Mac program does. A test
 * that is skipped there and does not stand here is named at the end of the run, and counts as failed in CI.
 */
export interface LeftOut {
  readonly why: string;
  /**
   * Files below test/, each with its tests, or null for all of them. A test has its title as it stands in the source, after the titles of
   * its `describe`; the title of a `describe` alone stands for all in it.
   */
  readonly tests: Readonly<Record<string, readonly string[] | null>>;
}

export const leftOut: readonly LeftOut[] = [
  {
    why: "systemd's protocol and units, which the Mac program does not know; e2e/drop-in has launchd's",
    tests: { "e2e/systemd.test.ts": null, "e2e/systemd-units.test.ts": null, "e2e/status-systemd.test.ts": null },
  },
  {
    why: "what is said where there is no launchd, which the Mac program always has",
    tests: {
      "e2e/lifecycle.test.ts": ["without launchd systemctl is named"],
      "e2e/plist.test.ts": ["without launchd"],
    },
  },
  {
    why: "parts of `make verify-macos`, which another test of the same file runs as a whole",
    tests: {
      "scripts/verify-macos.test.ts": [
        "scripts/verify-macos among stand-ins passes every check of an agent with the real program, and leaves nothing behind",
        "scripts/verify-macos among stand-ins passes a check of a daemon, which root installs and launchd runs as the user (as root)",
        "scripts/verify-macos among stand-ins passes the restart of a daemon by the program itself (as root)",
      ],
    },
  },
  {
    why: "two minutes of the servers' own starts; e2e/reload has the same scene with one server",
    tests: { "interop/reload.interop.ts": null },
  },
  {
    why: "the headers that it compiles are Linux's",
    tests: { "system/libc.test.ts": null },
  },
  {
    why: "dscacheutil, which asks Directory Services, is a Mac's",
    tests: { "service/check/machine.test.ts": ["thisMachine knows its groups"] },
  },
  {
    why: "XNU takes a backlog of 0 for 128 (uipc_socket.c, solisten), so that none of these queues is full and no connect hangs",
    tests: {
      "proxy/dial.test.ts": [
        "an address that does not answer is given up at the deadline",
        "a connect that hangs behind a dial that is over is counted until it ends, and its socket is closed then",
      ],
      "activation/listen-path.test.ts": ["listenOnPath so is one whose queue is full"],
    },
  },
  {
    why: "XNU drops a client for whom there is no descriptor (uipc_syscalls.c, accept_nocancel), so that none waits",
    tests: {
      "e2e/accept-errors.test.ts": ["while accept fails"],
      "e2e/shortage.test.ts": [
        "with one descriptor left before a %s program, clients wait for more, nobody is refused, and one warning says so",
      ],
      "proxy/listener.test.ts": [
        "a probe out of descriptors lets clients wait until there are some",
        "a pause while clients are taken after a shortage lets not one more in",
      ],
    },
  },
  {
    why: "what the sources use on Linux alone: a timer of processor time, the names of abstract sockets, whether a socket listens",
    tests: {
      "system/processor-alarm.test.ts": ["it is called while processor time is used, and not while the process rests"],
      "system/sockets.test.ts": [
        "describe an abstract Unix socket",
        "describe what is no listener, and only Linux has or tells",
      ],
    },
  },
  {
    why: "TCP's windows, buffers and keep-alive, which stay Linux's under the loader; XNU's probes find a peer with data in flight too",
    tests: {
      "e2e/far.test.ts": [
        "far away a download is nearly as fast as without the program, and far faster than 128 KB a round trip",
        "far away a client on %s that reads nothing leaves its server's buffer as it was",
        "peers that vanish with data in flight, with a closed window, idle or half-closed: each is found in time",
      ],
    },
  },
];

/** Whether all tests of a file below test/ are left out. */
export function leavesOut(file: string): boolean {
  return leftOut.some(({ tests }) => tests[file] === null);
}

/** For files below test/: a pattern for `--test-name-pattern` that takes all of their tests but those left out; "" takes all. */
export function patternWithout(files: readonly string[], name = ""): string {
  const titles = leftOut.flatMap(({ tests }) => files.flatMap((file) => tests[file] ?? []));
  if (titles.length === 0) return name;
  const patterns = titles.map((title) => title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/%\w/g, ".*"));
  return `^(?!\\s*(?:${patterns.join("|")})(?: |$)).*${name}`;
}
