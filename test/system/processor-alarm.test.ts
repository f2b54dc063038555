import { expect, test } from "bun:test";
import { startProcessorAlarm, stopProcessorAlarm } from "../../src/system/processor-alarm.ts";
import { waitFor } from "../support/wait.ts";

/** Uses processor time and lets signals in between. */
async function work(milliseconds: number): Promise<void> {
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    for (const pause = performance.now() + 10; performance.now() < pause; );
    await new Promise(setImmediate);
  }
}

test.skipIf(process.platform === "darwin")(
  "it is called while processor time is used, and not while the process rests",
  async () => {
    let calls = 0;
    const alarm = () => void calls++;
    startProcessorAlarm(alarm);
    try {
      await waitFor("an alarm", async () => {
        await work(50);
        return calls > 0;
      });
      const before = calls;
      await Bun.sleep(1_000);
      expect(calls - before).toBeLessThanOrEqual(2);
    } finally {
      stopProcessorAlarm(alarm);
    }
    const before = calls;
    await work(400);
    expect(calls).toBe(before);
    // One that is on its way harms nobody.
    process.kill(process.pid, "SIGPROF");
    await Bun.sleep(20);
  },
);

test.skipIf(process.platform !== "darwin")("on a Mac it is never called", async () => {
  let calls = 0;
  const alarm = () => void calls++;
  startProcessorAlarm(alarm);
  await work(500);
  stopProcessorAlarm(alarm);
  expect(calls).toBe(0);
});
