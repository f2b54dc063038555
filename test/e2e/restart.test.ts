import { expect, test } from "bun:test";
import type { Address } from "../../src/address.ts";
import { order } from "../support/client.ts";
import { compile } from "../support/compile.ts";
import { backendCommand } from "../support/faulty-backend.ts";
import { start } from "../support/program-under-test.ts";
import { waitFor } from "../support/wait.ts";

test("of 5,000 requests, one to a connection, not one fails while the daemon is restarted three times on the same socket", async () => {
  await using starter = start([...backendCommand], { through: [compile("restarting")] });
  const port = Number((await starter.logged(/^port (\d+)$/m))[1]);
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
    starter.signal("SIGHUP");
    await waitFor("the daemon to end", () => (starter.stderr.match(/^ended with/gm)?.length ?? 0) >= restart);
  }
  await all;
  expect(failures).toEqual([]);
  expect(served).toBe(5_000);
  starter.signal("SIGTERM");
  await starter.exited;
  expect(starter.stderr.match(/^ended with 0$/gm)).toHaveLength(4);
  expect(starter.stderr).not.toMatch(/error/);
});
