/** `--reload` of servers that know nothing of it, under clients that repeat nothing. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask, askStatus } from "../../src/control/client.ts";
import { Client } from "../support/client.ts";
import { run, serve } from "../support/program-under-test.ts";
import { Crowd, request } from "../support/requests.ts";
import { waitFor } from "../support/wait.ts";
import { need } from "./comparison.ts";
import { Deployment, type Fault, servers } from "./deployments.ts";

test.concurrent.each(servers)(
  "$name: 5,000 requests around 20 reloads, three of which fail",
  async (server) => {
    using deployment = new Deployment(server);
    const { program, env } = deployment;
    const options = ["--connect-timeout", "10s", "--stop-timeout", "2s"];
    await using daemon = await serve({ program, env, options });
    expect(await request(daemon.address)).toStartWith("v0");
    const crowd = new Crowd(daemon.address, 20, 100);
    const transfers: Promise<string>[] = [];
    const faults: Record<number, Fault> = { 6: "crashes", 7: "never serves", 8: "is killed" };
    for (let round = 1; round <= 20; round++) {
      transfers.push(request(daemon.address, "/slow").catch(String));
      const fault = faults[round] ?? null;
      deployment.deploy(`v${round}`, fault);
      const before = crowd.answered;
      const { code, stdout, stderr } = await run(["--reload", String(daemon.pid)], { env });
      expect({ round, code, said: stdout + stderr }).toMatchObject({ round, code: fault === null ? 0 : 1 });
      await waitFor("some answers", () => crowd.answered > before + 20);
    }
    await crowd.over(5_000);
    console.log(`${server.name}: ${crowd.answered} requests, the longest took ${crowd.longest.toFixed(0)} ms`);
    expect(crowd.failures).toEqual([]);
    expect(crowd.answered).toBeGreaterThanOrEqual(5_000);
    const versions = Array.from({ length: 21 }, (_, index) => `v${index}`).filter((_, index) => !(index in faults));
    expect([...crowd.answers.keys()]).toEqual(versions);
    for (const transfer of await Promise.all(transfers)) expect(transfer.match(/line/g)).toHaveLength(30);
    expect(readdirSync(env.TMPDIR ?? "")).toHaveLength(1);
  },
  300_000,
);

test.concurrent("200 reloads leave descriptors, folders and memory as they were", async () => {
  const socat = need("socat", "socat");
  const temporary = mkdtempSync(join(tmpdir(), "reload-"));
  try {
    await using daemon = await serve({
      program: ["/bin/sh", "-c", `exec ${socat} "UNIX-LISTEN:$LAUNCH_PROGRAM_SOCKET_PATH,fork" 'SYSTEM:echo $PPID'`],
      options: ["--drain-timeout", "50ms"],
      env: { TMPDIR: temporary },
    });
    const reloadOnce = async () => {
      const client = await (await Client.open(daemon.address)).over();
      expect(client.text).toMatch(/^\d+\n$/);
      client.close();
      await ask(daemon.pid, { command: "reload" });
      const end = await waitFor("the end of a reload", async () => {
        const { reload } = await askStatus(daemon.pid);
        return reload?.phase === "done" || reload?.phase === "failed" ? reload : null;
      });
      expect(end?.problem).toBeNull();
    };
    for (let warmUp = 0; warmUp < 20; warmUp++) await reloadOnce();
    const rest = async () => {
      for (let resting = 0; resting < 3; ) resting = (await daemon.load(300)) < 0.05 ? resting + 1 : 0;
      return { descriptors: daemon.descriptors, folders: readdirSync(temporary).length, memory: daemon.memory };
    };
    const before = await rest();
    // Of memory the lowest counts: the runtime collects when it likes.
    const later = [];
    for (let round = 1; round <= 200; round++) {
      await reloadOnce();
      if (round % 50 === 0) later.push(await rest());
    }
    const after = { ...(later.at(-1) ?? before), memory: Math.min(...later.map(({ memory }) => memory)) };
    console.log(
      `memory: ${(before.memory / 2 ** 20).toFixed(1)} MB before, ${(after.memory / 2 ** 20).toFixed(1)} MB after`,
    );
    expect([after.descriptors, after.folders]).toEqual([before.descriptors, 1]);
    expect(after.memory - before.memory).toBeLessThan(4 * 2 ** 20);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}, 300_000);
