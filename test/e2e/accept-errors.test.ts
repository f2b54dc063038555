import { describe, expect, test } from "bun:test";
import { closeSync, openSync, rmSync } from "node:fs";
import { folderOf, socketIn } from "../../src/control/folder.ts";
import { Client, order } from "../support/client.ts";
import { compile } from "../support/compile.ts";
import { FaultyBackend } from "../support/faulty-backend.ts";
import { type ProgramUnderTest, serve } from "../support/program-under-test.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

test("no passing error of accept ends the daemon, and clients are served once it is over", async () => {
  const shim = compile("failing-accept", ["-shared", "-fPIC"]);
  using target = freeTarget("unix");
  using _backend = new FaultyBackend(target.address);
  await using daemon = await serve({
    env: { LD_PRELOAD: shim, FAIL_ACCEPT: "20" },
    options: target.options,
  });
  for (let times = 0; times < 10; times++) {
    using client = await order(daemon.address, { answer: 1_000 });
    await client.got(1_000);
    expect(client.differsAt).toBeNull();
  }
  await daemon.logged(/accept works again/);
  expect(daemon.process.exitCode).toBeNull();
  expect(daemon.stderr.split("\n")).toEqual([expect.stringContaining("serving"), "accept works again", ""]);
});

interface Shortage {
  /** What the log calls it. */
  called: RegExp;
  env: Record<string, string>;
  begin(daemon: ProgramUnderTest): void;
  finish(daemon: ProgramUnderTest): void;
}

/** The system's own limit cannot be reached without harm to others, nor by root at all: its error is played. */
function outOfFiles(path: string): Shortage {
  return {
    called: /the system has no descriptor left \(ENFILE\)/,
    env: { LD_PRELOAD: compile("failing-accept", ["-shared", "-fPIC"]), FAIL_ACCEPT_WHILE: path },
    begin: () => closeSync(openSync(path, "w")),
    finish: () => rmSync(path),
  };
}

/** Real: from outside, the limit is set to what the process has open. */
function outOfDescriptors(): Shortage {
  const limit = ({ pid }: ProgramUnderTest, soft: number | string) =>
    expect(Bun.spawnSync(["prlimit", `--pid=${pid}`, `--nofile=${soft}:`]).success).toBe(true);
  return {
    called: /this process has no descriptor left \(EMFILE\)/,
    env: {},
    begin: (daemon) => limit(daemon, 3),
    finish: (daemon) => limit(daemon, 1_024),
  };
}

describe.skipIf(Bun.which("prlimit") === null)("while accept fails", () => {
  test.each(["EMFILE", "ENFILE"])(
    "with %s clients wait in the kernel's queue, one warning says why, and it takes under 5 %% of a core",
    async (code) => {
      using target = freeTarget("unix");
      using backend = new FaultyBackend(target.address);
      const shortage = code === "EMFILE" ? outOfDescriptors() : outOfFiles(`${target.name}.no-files`);
      await using daemon = await serve({ env: shortage.env, options: target.options });
      using first = await order(daemon.address, { answer: 10, last: "hold" });
      await first.got(10);
      const descriptors = daemon.descriptors;
      for (let times = 1; times <= 2; times++) {
        const told = (line: RegExp) => [...daemon.stderr.matchAll(new RegExp(line, "g"))].length;
        shortage.begin(daemon);
        // Who asks for the daemon's status has to wait, too.
        using _asking = await Client.open({ kind: "unix", path: socketIn(folderOf(0), daemon.pid) });
        const clients: Client[] = [];
        for (let index = 0; index < 20; index++) {
          clients.push(await order(daemon.address, { answer: 1_000, last: "hold" }));
        }
        await waitFor("the warning", () => told(shortage.called) === times);
        await daemon.usesLessThan(0.05);
        expect(clients.every(({ received, state }) => received === 0 && state === "open")).toBe(true);
        shortage.finish(daemon);
        for (const client of clients) {
          await client.got(1_000);
          expect(client.differsAt).toBeNull();
          client.close();
        }
        await waitFor("the line that it is over", () => told(/accepting on .* again after \d+\.\d s\n/) === times);
      }
      expect(backend.made).toBe(41);
      expect(daemon.stderr.match(/cannot accept on/g)).toHaveLength(2);
      expect(daemon.stderr.match(/accepting on .* again/g)).toHaveLength(2);
      expect(daemon.stderr).not.toContain("error");
      first.close();
      await waitFor("the descriptors to be closed", () => daemon.descriptors < descriptors);
    },
  );
});
