import { expect, test } from "bun:test";
import type { Address } from "../../src/address.ts";
import { order } from "../support/client.ts";
import { compile } from "../support/compile.ts";
import { program } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";

const backendScript = `${import.meta.dir}/../support/faulty-backend.ts`;

test("of 5,000 requests, one to a connection, not one fails while the daemon is restarted three times on the same socket", async () => {
  const starter = Bun.spawn([compile("restarting"), program, process.execPath, backendScript], {
    stdio: ["ignore", "inherit", "pipe"],
    detached: true,
  });
  let stderr = "";
  (async () => {
    for await (const chunk of starter.stderr) stderr += new TextDecoder().decode(chunk);
  })();
  try {
    const port = await waitFor("the port", () => Number(stderr.match(/^port (\d+)$/m)?.[1]));
    const address: Address = { kind: "tcp", host: "127.0.0.1", port };
    let begun = 0;
    let served = 0;
    const failures: string[] = [];
    const request = async () => {
      try {
        const client = await (await order(address, { answer: 2_000 })).over();
        if (client.received === 2_000 && client.state === "ended") served++;
        else failures.push(`${client.received} bytes, ${client.state}`);
        client.close();
      } catch (error) {
        failures.push(String(error));
      }
    };
    const work = async () => {
      while (begun < 5_000) {
        begun++;
        await request();
      }
    };
    const all = Promise.all(Array.from({ length: 20 }, work));
    for (let restart = 1; restart <= 3; restart++) {
      await waitFor("some requests to be served", () => served >= restart * 1_200, 30_000);
      starter.kill("SIGHUP");
      await waitFor("the daemon to end", () => (stderr.match(/^ended with/gm)?.length ?? 0) >= restart);
    }
    await all;
    expect(failures).toEqual([]);
    expect(served).toBe(5_000);
    starter.kill("SIGTERM");
    await starter.exited;
    expect(stderr.match(/^ended with 0$/gm)).toHaveLength(4);
    expect(stderr).not.toMatch(/error/);
  } finally {
    try {
      process.kill(-starter.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
});
