import { describe, expect, test } from "bun:test";
import { Client, order } from "../support/client.ts";
import { FaultyBackend } from "../support/faulty-backend.ts";
import { peer } from "../support/peers.ts";
import { type ProgramUnderTest, serve } from "../support/program-under-test.ts";
import { bytesFrom } from "../support/stream.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

/** A daemon before a backend; at the end both have as many descriptors and connections as at the start. */
async function withDaemon(
  kind: "unix" | "tcp",
  run: (daemon: ProgramUnderTest, backend: FaultyBackend) => Promise<void>,
  options: string[] = [],
): Promise<void> {
  using target = freeTarget(kind);
  using backend = new FaultyBackend(target.address);
  await using daemon = await serve({ options: [...target.options, ...options] });
  // The first connection opens what stays.
  using first = await (await order(daemon.address, { answer: 1 })).over();
  first.close();
  await waitFor("the first to be over", () => backend.open === 0);
  const start = daemon.descriptors;
  await run(daemon, backend);
  await waitFor(
    () => `${start} descriptors, of which there are ${daemon.descriptors}, and ${backend.open} connections`,
    () => daemon.descriptors <= start && backend.open === 0,
  );
  expect(daemon.stderr).not.toMatch(/error/);
}

describe.each(["unix", "tcp"] as const)("%s", (kind) => {
  test("a client that ends first gets its whole answer", () =>
    withDaemon(kind, async (daemon) => {
      using client = await order(daemon.address, { sum: true });
      const upload = bytesFrom(0, 3_000_000);
      client.send(upload);
      await waitFor("the upload", () => client.flushed);
      await (await client.shutdown().over()).got(10);
      const hash = new Bun.CryptoHasher("sha1").update(upload).digest("hex");
      expect(JSON.parse(client.text)).toEqual({ bytes: upload.length, hash });
      client.close();
    }));

  test("a server that ends first gets all that the client still sends", () =>
    withDaemon(kind, async (daemon, backend) => {
      using client = await order(daemon.address, { answer: 100, last: "end" });
      await client.over();
      expect([client.received, client.state]).toEqual([100, "ended"]);
      client.send(bytesFrom(0, 500_000));
      await waitFor("the data behind the server's end", () => backend.bytes >= 500_000);
      client.close();
    }));

  test("a whole answer arrives whole though its server closes with unread input", () =>
    withDaemon(kind, async (daemon) => {
      for (const length of [100, 100_000, 5_000_000]) {
        using client = await order(daemon.address, { answer: length, deaf: true, last: "close" });
        client.send(bytesFrom(0, 300_000));
        await client.got(length);
        expect([client.received, client.differsAt]).toEqual([length, null]);
        client.close();
      }
    }));

  test("an answer that is cut off at byte n arrives up to there, also at a slow reader", () =>
    withDaemon(kind, async (daemon) => {
      for (const length of [1, 70_000, 3_000_000]) {
        for (const reading of [true, false]) {
          using client = await order(daemon.address, { answer: length, last: "reset" }, { reading });
          if (!reading) {
            await Bun.sleep(300);
            client.resume();
          }
          await client.over();
          // Only TCP knows a reset; what a Unix socket shows is an orderly end.
          expect([length, reading, client.received, client.differsAt, client.state]).toEqual([
            length,
            reading,
            length,
            null,
            kind === "tcp" ? "reset" : "ended",
          ]);
          client.close();
        }
      }
    }));

  test("a server that closes at byte n gives an orderly end", () =>
    withDaemon(kind, async (daemon) => {
      for (const length of [1, 70_000, 3_000_000]) {
        using client = await (await order(daemon.address, { answer: length, last: "close" })).over();
        expect([client.received, client.differsAt, client.state]).toEqual([length, null, "ended"]);
        client.close();
      }
    }));

  test("a client's reset reaches the server at once, in mid-answer and in mid-upload", () =>
    withDaemon(kind, async (daemon, backend) => {
      using answered = await order(daemon.address, { answer: 1_000_000, chunk: 10, pause: 20 });
      await answered.got(30);
      answered.reset();
      await waitFor("the end of the answer", () => backend.open === 0);
      using uploading = await order(daemon.address, { sum: true });
      uploading.send(bytesFrom(0, 100_000));
      await waitFor("the upload to arrive", () => backend.bytes >= 100_000);
      uploading.reset();
      await waitFor("the end of the upload", () => backend.open === 0);
    }));

  test("an answer that trickles arrives as it comes", () =>
    withDaemon(kind, async (daemon) => {
      using client = await order(daemon.address, { answer: 5, chunk: 1, pause: 100 });
      const times: number[] = [];
      for (let bytes = 1; bytes <= 5; bytes++) {
        await client.got(bytes);
        times.push(performance.now());
      }
      expect((times[4] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(300);
      expect((await client.over()).differsAt).toBeNull();
      client.close();
    }));

  test("a client and a server that both say nothing may do so", () =>
    withDaemon(kind, async (daemon) => {
      using client = await Client.open(daemon.address);
      await Bun.sleep(300);
      expect(client.state).toBe("open");
      client.send('{"answer":10}\n');
      await client.got(10);
      client.close();
    }));

  test("vanished clients and servers are closed by the idle timeout", () =>
    withDaemon(
      kind,
      async (daemon, backend) => {
        using client = await order(daemon.address, { answer: 10, last: "hold" });
        await (await client.got(10)).over();
        await waitFor("the server's side to be closed", () => backend.open === 0);
        client.close();
      },
      ["--idle-timeout", "500ms"],
    ));
});

test("keep-alive probes are on for every leg that lasts, after the time that was set, and off for 0", async () => {
  using target = freeTarget("tcp");
  using _backend = new FaultyBackend(target.address);
  /** A connection open both ways, one whose client has ended its data and one whose server has. */
  const three = async (setting: string) => {
    const daemon = await serve({ options: [...target.options, "--tcp-keepalive", setting] });
    const whole = await order(daemon.address, { answer: 10, last: "hold" });
    const half = await order(daemon.address, { answer: 10, last: "keep" });
    half.shutdown();
    const other = await order(daemon.address, { answer: 10, last: "end" });
    for (const client of [whole, half, other]) await client.got(10);
    return {
      daemon,
      async [Symbol.asyncDispose]() {
        for (const client of [whole, half, other]) client.close();
        await daemon[Symbol.asyncDispose]();
      },
    };
  };
  // The one without probes is the older one: its time for them has come when the other one's has.
  await using off = await three("0");
  await using on = await three("30s");
  // ss shows a socket's keep-alive timer only while it runs.
  const timers = async ({ pid }: ProgramUnderTest) => {
    const lines = (await Bun.$`ss -Htnpo`.text()).split("\n").filter((line) => line.includes(`pid=${pid},`));
    expect(lines).toHaveLength(6);
    return lines.map((line) => line.match(/keepalive.*/)?.[0]);
  };
  await waitFor("probes on every socket", async () => !(await timers(on.daemon)).includes(undefined));
  for (const timer of await timers(on.daemon)) expect(timer).toMatch(/^keepalive,(2\d|30)(\.\d+)?sec/);
  expect(await timers(off.daemon)).toEqual(new Array(6).fill(undefined));
});

const strace = peer("strace", "strace");

test.skipIf(strace === null)("Nagle's algorithm is off on both sockets (needs strace)", async () => {
  using target = freeTarget("tcp");
  using folder = freeTarget("unix");
  using _backend = new FaultyBackend(target.address);
  const trace = `${folder.name}.trace`;
  await using daemon = await serve({
    through: ["strace", "-f", "-qq", "-e", "trace=setsockopt", "-o", trace],
    options: target.options,
  });
  using client = await order(daemon.address, { answer: 10, last: "hold" });
  await client.got(10);
  const switched = (await Bun.file(trace).text()).matchAll(/setsockopt\((\d+), SOL_TCP, TCP_NODELAY, \[1\]/g);
  expect(new Set([...switched].map(([, fd]) => fd)).size).toBe(2);
});
