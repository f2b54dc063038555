import { expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "../../src/address.ts";
import { peer } from "../support/peers.ts";
import { programUnderTest, serve } from "../support/program-under-test.ts";

/*
 * A guard against slowness that needs no clock, and so holds on a busy machine too: how many system calls a request,
 * a connection and a megabyte take. Limits leave room for luck (in how many pieces data arrives), none for one call more per request.
 */
const strace = process.platform === "linux" ? peer("strace", "strace") : null;
/**
 * Of the Mac program only the reads and writes, which macrun passes on one to one, and its waits for a kqueue: macrun asks
 * Linux for much more. Measured: a request 4 and 2, a connection 6 and 5, a megabyte down 9 and 10, up 19 and 7.
 */
const isMac = programUnderTest.platform === "macos";
const counted = isMac ? "recvfrom,sendto,recvmsg,sendmsg,epoll_pwait2" : "%network,%desc";

type Work = (client: Socket) => Promise<void>;

/** The calls on descriptors and sockets that the program makes from its start to its end, with one client that does `work`. */
async function calls(answer: (socket: Socket) => void, work: Work): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), "calls-"));
  const [path, report] = [join(folder, "backend.sock"), join(folder, "strace")];
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const options = ["-f", "-c", "-U", "calls,name", "-e", `trace=${counted}`, "-o", report];
  try {
    await using daemon = await serve({ through: [strace ?? "", ...options], options: ["--socket-path", path] });
    const { host, port } = daemon.address as Address & { kind: "tcp" };
    const client = connect({ host, port });
    await work(client);
    client.destroy();
    // strace does not pass a signal on: both are told to stop.
    daemon.signalGroup("SIGTERM");
    await daemon.exited;
    const rows = readFileSync(report, "utf8").matchAll(/^ *(\d+) (?!total)(\w+)$/gm);
    return Object.fromEntries([...rows].map(([, count, name]) => [name, Number(count)]));
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}

/** What one more of something costs: the calls for `many` without those for `few`, which start and stop are part of. */
async function each(few: number, many: number, count: (n: number) => Promise<Record<string, number>>) {
  const [less, more] = [await count(few), await count(many)];
  const cost = (...names: string[]) => {
    const difference = names.map((name) => (more[name] ?? 0) - (less[name] ?? 0));
    return difference.reduce((a, b) => a + b, 0) / (many - few);
  };
  const names = Object.keys(more);
  return {
    data: cost("recvfrom", "sendto", "recvmsg", "sendmsg"),
    all: cost(...names),
    // How much comes between two waits is a matter of luck.
    withoutWaits: cost(...names.filter((name) => !name.startsWith("epoll_p"))),
  };
}

test.skipIf(strace === null)(
  "a request on a kept connection takes two reads, two writes and at most two waits",
  async () => {
    const answer = Buffer.alloc(200, "a");
    const echo = (socket: Socket) => void socket.on("data", () => void socket.write(answer));
    const ask = (requests: number): Work => {
      return async (client) => {
        for (let request = 0; request < requests; request++) {
          const answered = new Promise((resolve) => client.once("data", resolve));
          client.write("a request of a few bytes");
          await answered;
        }
      };
    };
    const cost = await each(200, 1_200, (requests) => calls(echo, ask(requests)));
    expect(cost.data).toBeGreaterThanOrEqual(3.9);
    expect(cost.data).toBeLessThan(4.5);
    expect(cost.all).toBeLessThan(7);
  },
);

test.skipIf(strace === null)("a connection with one answer takes at most 29 calls, waits apart", async () => {
  const answer = (socket: Socket) => void socket.once("data", () => void socket.end("an answer"));
  const ask = (connections: number): Work => {
    return async (client) => {
      await once(client, "connect");
      for (let connection = 0; connection < connections; connection++) {
        const next = connect({ host: "127.0.0.1", port: client.remotePort ?? 0 });
        next.end("a request").resume();
        await once(next, "close");
      }
    };
  };
  const cost = await each(50, 550, (connections) => calls(answer, ask(connections)));
  expect(cost.data).toBeGreaterThan(5);
  expect(cost.withoutWaits).toBeLessThan(isMac ? 6.5 : 29.5);
});

test.skipIf(strace === null).each(["down", "up"] as const)(
  "a megabyte %s takes at most 150 calls",
  async (direction) => {
    const megabyte = Buffer.alloc(2 ** 20);
    const source = (socket: Socket, megabytes: number) => {
      for (let count = 0; count < megabytes; count++) socket.write(megabyte);
    };
    const sink = (socket: Socket, megabytes: number) => {
      let received = 0;
      return new Promise<void>((resolve) => {
        socket.on("data", (chunk) => {
          received += chunk.length;
          if (received === megabytes * megabyte.length) resolve();
        });
      });
    };
    const cost = await each(16, 80, (megabytes) => {
      if (direction === "down")
        return calls(
          (server) => source(server, megabytes),
          (client) => sink(client, megabytes),
        );
      const all = Promise.withResolvers<void>();
      return calls(
        (server) => void sink(server, megabytes).then(all.resolve),
        (client) => {
          source(client, megabytes);
          return all.promise;
        },
      );
    });
    expect(cost.data).toBeGreaterThan(2);
    expect(cost.all).toBeLessThan(isMac ? 60 : 150);
  },
);
