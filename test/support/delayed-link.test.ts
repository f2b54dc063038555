import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import type { Socket } from "bun";
import { DelayedLink } from "./delayed-link.ts";
import { waitFor } from "./wait.ts";

describe.skipIf(DelayedLink.missing !== null)(
  "a link with a delay (root, /dev/net/tun, Debian package iproute2)",
  () => {
    test.each([10, 50])("a connection over a round trip of %d ms takes that long", async (rtt) => {
      await using link = await DelayedLink.start({ rtt });
      using server = listen(link, () => {});
      await connect(link, server.port);
      const times: number[] = [];
      for (let count = 0; count < 5; count++) {
        const start = performance.now();
        const client = await connect(link, server.port);
        times.push(performance.now() - start);
        client.end();
      }
      expect(Math.min(...times)).toBeGreaterThanOrEqual(rtt);
      expect(Math.min(...times)).toBeLessThan(rtt + 10);
    });

    test("all bytes arrive as they were sent", async () => {
      await using link = await DelayedLink.start({ rtt: 10 });
      const sent = crypto.getRandomValues(new Uint8Array(65_536));
      const rounds = 1_000;
      const hash = new Bun.CryptoHasher("sha256");
      let received = 0;
      let ended = false;
      using server = listen(
        link,
        (_, data) => {
          hash.update(data);
          received += data.length;
        },
        () => {
          ended = true;
        },
      );
      const expected = new Bun.CryptoHasher("sha256");
      for (let round = 0; round < rounds; round++) expected.update(sent);
      let written = 0;
      const write = (socket: Socket) => {
        while (written < rounds * sent.length) {
          const taken = socket.write(sent.subarray(written % sent.length));
          if (taken <= 0) return;
          written += taken;
        }
        socket.end();
      };
      write(await connect(link, server.port, write));
      await waitFor(
        () => `the end after ${received} bytes`,
        () => ended,
        30_000,
      );
      expect(received).toBe(rounds * sent.length);
      expect(hash.digest("hex")).toBe(expected.digest("hex"));
    });

    test("while it is down nothing passes and nobody is told, and then everything does", async () => {
      await using link = await DelayedLink.start({ rtt: 10 });
      let received = "";
      using server = listen(link, (_, data) => {
        received += data;
      });
      const client = await connect(link, server.port);
      await link.down();
      client.write("lost at first");
      await Bun.sleep(100);
      expect(received).toBe("");
      expect(client.readyState).toBe(1);
      await link.up();
      await waitFor("the bytes to be sent again", () => received === "lost at first");
    });

    test("a process can be started at either end", async () => {
      await using link = await DelayedLink.start({ rtt: 10 });
      const shown = await Bun.$`${link.through("near")} ip -brief address`.text();
      expect(shown).toContain(`${link.near.address}/24`);
      expect(shown).toContain("127.0.0.1/8");
    });

    test("nothing of it is left, and what a killed run has left is removed by the next", async () => {
      // Above the largest process id that Linux allows (PID_MAX_LIMIT, 4194304).
      const stale = "delayed-link-4194305-killed-near";
      await Bun.$`ip netns add ${stale}`.quiet();
      const link = await DelayedLink.start({ rtt: 10 });
      const { namespace } = link.near;
      expect(existsSync(`/run/netns/${namespace}`)).toBe(true);
      await link[Symbol.asyncDispose]();
      expect(readdirSync("/run/netns").filter((name) => name === stale || name === namespace)).toEqual([]);
    });
  },
);

/** Listens at the far end. */
function listen(link: DelayedLink, data: (socket: Socket, data: Buffer) => void, end = () => {}) {
  const hostname = link.far.address;
  return link.inside("far", () => Bun.listen({ hostname, port: 0, socket: { data, end } }));
}

/** Connects from the near end to the far one. */
function connect(link: DelayedLink, port: number, drain: (socket: Socket) => void = () => {}): Promise<Socket> {
  const hostname = link.far.address;
  return link.inside("near", () => Bun.connect({ hostname, port, socket: { data() {}, drain } }));
}
