import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { freePort } from "../support/ports.ts";
import { bytesFrom } from "../support/stream.ts";
import { accepts, Comparison, need, run } from "./comparison.ts";

test("HTTP/2 over cleartext: many streams over one connection", async () => {
  await using comparison = new Comparison();
  const lengths = [0, 1, 10_000, 100_000, 3_000_000];
  for (const length of lengths) writeFileSync(comparison.path(`file-${length}`), bytesFrom(0, length));
  const port = freePort();
  const server = [need("nghttpd", "nghttp2-server"), "--no-tls", "-a", "127.0.0.1", "-d", comparison.folder, `${port}`];
  await comparison.serve(server, () => accepts({ port }));
  const relay = await comparison.relay("--tcp-address", `127.0.0.1:${port}`);
  const answers = [];
  for (const where of [port, relay]) {
    const urls = [...lengths, ...lengths, ...lengths].map((length) => `http://127.0.0.1:${where}/file-${length}`);
    const whole = Bun.spawn([need("nghttp", "nghttp2-client"), "--no-dep", ...urls.slice(0, lengths.length)], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const body = new Uint8Array(await new Response(whole.stdout).arrayBuffer());
    const statistics = await run([need("nghttp", "nghttp2-client"), "-n", "-s", "-m", "5", ...urls]);
    // Of the statistics: identifier, status, size and path of each stream, without the times.
    const streams = [...statistics.stdout.matchAll(/(\d{3}) +(\S+) (\/file-\d+)$/gm)].map((match) => match.slice(1));
    answers.push({
      status: await whole.exited,
      // Streams may be woven into each other in any way: the length and each byte's number of times stay.
      length: body.length,
      bytes: body.reduce((sum, byte) => sum + byte, 0),
      streams: streams.map(String).toSorted(),
    });
  }
  expect(answers[1]).toEqual(answers[0] as (typeof answers)[0]);
  expect(answers[0]?.length).toBe(3_110_001);
  expect(answers[0]?.streams).toHaveLength(75);
});
