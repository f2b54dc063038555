import { expect, test } from "bun:test";
import { order } from "../support/client.ts";
import { compile } from "../support/compile.ts";
import { FaultyBackend } from "../support/faulty-backend.ts";
import { serve } from "../support/program-under-test.ts";
import { freeTarget } from "../support/targets.ts";

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
