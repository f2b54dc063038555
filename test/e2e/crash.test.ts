/** What becomes of clients when the program crashes, or when the place of its socket vanishes. */
import { expect, test } from "bun:test";
import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { order } from "../support/client.ts";
import { backendCommand } from "../support/faulty-backend.ts";
import { serve } from "../support/program-under-test.ts";
import { waitFor } from "../support/wait.ts";

const folderOf = (target: { kind: string; path?: string }) => dirname(target.path ?? "");

test.each([
  ["crash", "reset"],
  ["exit", "ended"],
] as const)(
  "a client that has not got everything when the program ends by %s gets all that there is, and then: %s",
  async (last, state) => {
    await using daemon = await serve({ program: [...backendCommand] });
    using client = await order(daemon.address, { answer: 3_000_000, last }, { reading: false });
    // The program waits with its end until its own kernel buffer is empty, except when it crashes.
    await daemon.logged(last === "crash" ? /program .* exited: signal: killed/ : /serving/);
    client.resume();
    await client.over();
    expect([client.differsAt, client.state]).toEqual([null, state]);
    if (last === "exit") expect(client.received).toBe(3_000_000);
    else expect(client.received).toBeGreaterThan(0);
    client.close();
    expect((await daemon.ended()).code).toBe(last === "crash" ? 1 : 0);
  },
);

test.each(["removed", "replaced"])(
  "a generated folder that is %s while the daemon runs ends it with 1 and a sentence",
  async (how) => {
    await using daemon = await serve({ program: [...backendCommand] });
    using held = await order(daemon.address, { answer: 10, last: "hold" });
    await held.got(10);
    const folder = folderOf(daemon.target);
    if (how === "replaced") renameSync(folder, `${folder}.old`);
    rmSync(how === "replaced" ? `${folder}.old` : folder, { recursive: true });
    using next = await order(daemon.address, { answer: 10 });
    const { code, stderr } = await daemon.ended();
    expect(code).toBe(1);
    expect(stderr).toContain(`cannot reach program: the folder of ${folder}/socket was removed`);
    expect(stderr.match(/the folder of/g)).toHaveLength(1);
    await next.over();
  },
);

test("so does one that is removed before the first client has come", async () => {
  await using daemon = await serve({ program: [...backendCommand] });
  const folder = folderOf(daemon.target);
  await waitFor("the program's socket", () => existsSync(`${folder}/socket`));
  rmSync(folder, { recursive: true });
  using first = await order(daemon.address, { answer: 10 });
  const { code, stderr } = await daemon.ended();
  expect(code).toBe(1);
  expect(stderr).toContain(`cannot reach program: the folder of ${folder}/socket was removed`);
  await first.over();
});

test("a socket that is missing in a folder that is there is waited for: its server restarts", async () => {
  await using daemon = await serve({ program: [...backendCommand] });
  using first = await order(daemon.address, { answer: 10 });
  await first.over();
  rmSync(`${folderOf(daemon.target)}/socket`);
  using waiting = await order(daemon.address, { answer: 10 });
  await daemon.logged(/the program does not listen at .* yet/);
  expect([waiting.state, daemon.process.exitCode]).toEqual(["open", null]);
});
