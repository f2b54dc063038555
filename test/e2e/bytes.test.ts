import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Client, order } from "../support/client.ts";
import { FaultyBackend, type Order } from "../support/faulty-backend.ts";
import { serve } from "../support/program-under-test.ts";
import { checkAsync } from "../support/property.ts";
import { bytesFrom } from "../support/stream.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

/** What one client and its server do to each other. */
interface Exchange {
  /** Bytes up, in pieces of so many (but no more than 20 pieces), with so many milliseconds between them. */
  upload: number;
  piece: number;
  rest: number;
  /** Bytes down, likewise. */
  answer: number;
  chunk: number;
  pause: number;
  /** For how many milliseconds the client does not read at first. */
  deafFor: number;
  /** Who ends first. */
  first: "client" | "server" | "nobody";
}

const size = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 8_191, 8_192, 8_193, 65_536, 524_288, 524_289) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 100_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 100_000, max: 3_000_000 }) },
);
const exchange: fc.Arbitrary<Exchange> = fc.record({
  upload: size,
  piece: fc.integer({ min: 1, max: 500_000 }),
  rest: fc.constantFrom(0, 0, 1, 20),
  answer: size,
  chunk: fc.constantFrom(200_000, 1_000_000),
  pause: fc.constantFrom(0, 0, 1, 10),
  deafFor: fc.constantFrom(0, 0, 50, 200),
  first: fc.constantFrom("client" as const, "server" as const, "nobody" as const),
});

test.each(["unix", "tcp"] as const)(
  "%s: whatever sizes, pieces, pauses and ends, all bytes arrive in order in both directions",
  async (kind) => {
    using target = freeTarget(kind);
    using backend = new FaultyBackend(target.address);
    await using daemon = await serve({ options: target.options });
    const start = daemon.descriptors;
    let ids = 0;
    const run = async (plan: Exchange) => {
      const id = ids++;
      const { answer, chunk } = plan;
      const asked: Order = { id, answer, chunk, last: "end", ...(plan.pause > 0 ? { pause: plan.pause } : {}) };
      using client = await order(daemon.address, asked, { reading: plan.deafFor === 0 });
      if (plan.deafFor > 0) setTimeout(() => client.resume(), plan.deafFor);
      if (plan.first === "server") await ended(client, answer);
      await send(client, plan);
      client.shutdown();
      await ended(client, answer);
      expect([client.received, client.differsAt]).toEqual([answer, null]);
      expect(client.state).not.toBe("reset");
      const upload = await waitFor("the upload's end", () => backend.uploads.get(id));
      const hash = new Bun.CryptoHasher("sha1").update(bytesFrom(0, plan.upload)).digest("hex");
      expect(upload).toEqual({ bytes: plan.upload, hash });
    };
    await checkAsync(
      fc.asyncProperty(fc.array(exchange, { minLength: 1, maxLength: 6 }), async (plans) => {
        await Promise.all(plans.map(run));
      }),
      25,
      40_000,
    );
    await waitFor("all to be over", () => backend.open === 0 && daemon.descriptors <= start + 1);
  },
);

async function send(client: Client, { upload, piece, rest }: Exchange): Promise<void> {
  for (let sent = 0; sent < upload; ) {
    const length = Math.min(upload - sent, Math.max(piece, Math.ceil(upload / 20)));
    client.send(bytesFrom(sent, length));
    sent += length;
    await waitFor("the kernel to take it", () => client.flushed, 20_000);
    if (rest > 0) await Bun.sleep(rest);
  }
}

/** Waits for the end of the answer, of which every byte moves the deadline. */
async function ended(client: Client, answer: number): Promise<void> {
  await client.got(answer, 30_000);
  await client.over();
}
