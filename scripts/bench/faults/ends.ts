import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Socket } from "bun";
import { formatAddress } from "../../../src/address.ts";
import { order } from "../../../test/support/client.ts";
import { Command } from "../../../test/support/command.ts";
import { backendCommand, FaultyBackend } from "../../../test/support/faulty-backend.ts";
import { freePort } from "../../../test/support/ports.ts";
import { refuseUploads } from "../../../test/support/refusing-server.ts";
import { waitFor } from "../../../test/support/wait.ts";
import { cpuSeconds } from "../process.ts";
import { median } from "../statistics.ts";
import { type Fault, seconds, secondsUntil, startRelay, unixIn } from "./fault.ts";

const support = join(import.meta.dir, "../../../test/support");

/** A free port of 127.0.0.1. */
const freePlace = () => ({ kind: "tcp", host: "127.0.0.1", port: freePort() }) as const;

/** Sends 10 MB a second at most until it cannot, or for a minute, and prints what it saw and how many bytes the system took. */
const uploader = `
import errno, socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.settimeout(60)
connection.sendall(sys.argv[2].encode())
piece, sent, start, seen = bytes(100_000), 0, time.monotonic(), "nothing"
while time.monotonic() - start < 60:
    try:
        sent += connection.send(piece)
    except OSError as error:
        seen = errno.errorcode[error.errno] if error.errno else "nothing"
        break
    time.sleep(0.01)
print(f"{seen} {sent}")
`;

/** A worker killed while a client uploads to it; `answered`: it has answered a line before. */
export function killedWorker(answered: boolean): Fault {
  const read = 1_000_000;
  return {
    title: `A worker is killed while a client uploads to it, ${answered ? "after it has answered before" : "and has answered nothing"}`,
    text:
      "A server with two worker processes on a Unix socket; one reads a megabyte of an upload, and no more, and is killed half a second later. The client sends on and does not read, 10 MB a second at most, until its system says that it cannot, or for a minute." +
      (answered
        ? " This program reads on for a while (see 413 below): a reset at once could destroy an answer that the client has not read yet."
        : ""),
    columns: ["the client's error", "after the kill", "MB sent in vain"],
    compared: { columns: [2], better: "less" },
    together: true,
    async measure(contender, folder) {
      const [place, target] = [freePlace(), unixIn(folder)];
      await using server = new Command(["python3", join(support, "prefork-server.py")], {
        env: { LAUNCH_PROGRAM_SOCKET_PATH: target.path },
      });
      await waitFor("the server", async () => (await Bun.$`ss -Hlxn`.quiet().text()).includes(`${target.path} `));
      await using _relay = await startRelay(contender, place, target, folder);
      const lines = answered ? "hello\nupload\n" : "upload\n";
      await using client = new Command(["python3", "-c", uploader, `${place.port}`, lines]);
      const [, pid] = await server.logged(/worker (\d+) is uploaded to/);
      await Bun.sleep(500);
      process.kill(Number(pid), "SIGKILL");
      const start = performance.now();
      const [seen = "", sent] = (await client.ended(130_000)).stdout.trim().split(" ");
      const after = seen === "nothing" ? null : (performance.now() - start) / 1_000;
      return [seen, seconds(after, 60), ((Number(sent) - read) / 1e6).toFixed(1)];
    },
  };
}

/** Takes nothing for a second, then all, and prints how much there was and how it ended. */
const slowReader = `
import socket, sys, time
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
connection.connect(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b'{"answer":3000000,"last":"reset"}\\n')
time.sleep(1)
received, end = 0, "orderly"
try:
    while piece := connection.recv(65_536):
        received += len(piece)
        time.sleep(0.01)
except OSError:
    end = "reset"
print(received, end)
`;

export const resetAfterAnswer: Fault = {
  title: "A TCP server that resets after its answer, and a slow reader",
  text: "The server sends 3,000,000 bytes and resets the connection once the relay's kernel has them. The client has a receive buffer of 64 KiB and begins to read a second later, 6.5 MB a second at most. Ten times.",
  columns: ["whole answers", "bytes that arrive (median)", "the client sees"],
  together: true,
  async measure(contender, folder) {
    const [place, target] = [freePlace(), freePlace()];
    // A process of its own: where the relay does not read, it waits for ever with its reset.
    await using _server = new Command([...backendCommand, formatAddress(target)]);
    await waitFor("the server", async () =>
      (await Bun.$`ss -Hltn`.quiet().text()).includes(`${formatAddress(target)} `),
    );
    await using _relay = await startRelay(contender, place, target, folder);
    const received: number[] = [];
    const ends = new Set<string>();
    for (let round = 0; round < 10; round++) {
      await using client = new Command(["python3", "-c", slowReader, `${place.port}`]);
      const [bytes, end] = (await client.ended(60_000)).stdout.trim().split(" ");
      received.push(Number(bytes));
      ends.add(end === "reset" ? "a reset" : "an orderly end");
    }
    const whole = received.filter((bytes) => bytes === 3_000_000).length;
    return [`${whole} of 10`, median(received).toLocaleString("en"), [...ends].join(" or ")];
  },
};

/** Reads 25 KB ten times a second and prints how much there was. */
const steadyReader = `
import socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b'{"answer":7500000,"last":"end"}\\n')
received = 0
try:
    while piece := connection.recv(25_000):
        received += len(piece)
        time.sleep(0.1)
except OSError:
    pass
print(f"{received:,}")
`;

export const steadyReaderIdle: Fault = {
  title: "An idle timeout, and a client that reads slowly but steadily",
  text: "A client reads 250 KB a second of an answer of 7.5 MB. Connections on which nothing moves end after 3 s (`--idle-timeout 3s`; nginx `proxy_timeout 3s`; HAProxy `timeout client 3s` and `timeout server 3s`).",
  columns: ["bytes that arrive"],
  together: true,
  async measure(contender, folder) {
    const [place, target] = [freePlace(), unixIn(folder)];
    using _server = new FaultyBackend(target);
    await using _relay = await startRelay(contender, place, target, folder, { settings: { idle: 3 } });
    await using reader = new Command(["python3", "-c", steadyReader, `${place.port}`]);
    return [(await reader.ended(120_000)).stdout.trim()];
  },
};

export const unixPeers: Fault = {
  title: "A Unix peer that ends its data and closes later",
  text: "The peer ends its data, and closes its socket 50 ms later; the other side says nothing. How long until the relay has let go of the connection, on Linux.",
  columns: ["the client closes", "the server closes"],
  together: true,
  async measure(contender, folder) {
    const limit = 60;
    const [place, target] = [unixIn(folder), unixIn(folder)];
    const served: Socket<undefined>[] = [];
    const server = Bun.listen<undefined>({
      unix: target.path,
      allowHalfOpen: true,
      socket: { open: (socket) => void served.push(socket), data: () => {} },
    });
    try {
      await using relay = await startRelay(contender, place, target, folder);
      const descriptors = () => readdirSync(`/proc/${relay.pid}/fd`).length;
      const connect = () => Bun.connect({ unix: place.path, allowHalfOpen: true, socket: { data: () => {} } });
      const cells: string[] = [];
      for (const side of ["client", "server"]) {
        const count = served.length;
        const client = await connect();
        // HAProxy connects to its server once it has seen the client.
        await waitFor("the server's connection", () => served.length === count + 1);
        const before = descriptors();
        const peer = side === "client" ? client : served[count];
        peer?.shutdown();
        await Bun.sleep(50);
        peer?.end();
        cells.push(seconds(await secondsUntil(limit, () => descriptors() <= before - 2), limit));
        client.terminate();
        served[count]?.terminate();
        await waitFor("both sockets to be closed", () => descriptors() <= before - 2);
      }
      return cells;
    } finally {
      server.stop(true);
    }
  },
};

export const refusedUpload: Fault = {
  title: "413 during an upload",
  text: "Python's `http.client` puts 40 MB, 20 times, and reads when it has sent all. The server on a Unix socket answers 413 with 100,000 bytes at the first byte and closes.",
  columns: ["whole answers", "else"],
  async measure(contender, folder) {
    const [place, target] = [freePlace(), unixIn(folder)];
    const length = 100_000;
    const server = refuseUploads(target.path, "x".repeat(length));
    try {
      await using _relay = await startRelay(contender, place, target, folder);
      const rounds = 20;
      const argv = ["python3", join(support, "put-client.py"), `${place.port}`, `${rounds}`, "40000000"];
      await using client = new Command(argv);
      const lines = (await client.ended(120_000)).stdout.trim().split("\n");
      const others = lines.filter((line) => line !== `413 ${length}`);
      return [`${lines.length - others.length} of ${rounds}`, [...new Set(others)].join(", ")];
    } finally {
      server.stop(true);
    }
  },
};

export const stuckUploads: Fault = {
  title: "300 uploads to a server that reads nothing",
  text: "Each of 300 clients has 4 MB to send. Private memory (RssAnon) that the relay has more than before, once it rests.",
  columns: ["server on a Unix socket", "server on TCP"],
  compared: { columns: [0, 1], better: "less" },
  async measure(contender, folder) {
    const cells: string[] = [];
    for (const target of [unixIn(folder), freePlace()]) {
      using server = new FaultyBackend(target);
      const place = freePlace();
      await using relay = await startRelay(contender, place, target, folder);
      const memory = () =>
        1_024 * Number(readFileSync(`/proc/${relay.pid}/status`, "utf8").match(/^RssAnon:\s+(\d+) kB$/m)?.[1]);
      (await (await order(place, { answer: 10 })).over()).close();
      const before = memory();
      const upload = new Uint8Array(4_000_000);
      const flush = (socket: Socket<{ sent: number }>) => {
        const count = socket.write(upload.subarray(socket.data.sent));
        if (count > 0) socket.data.sent += count;
      };
      const clients = await Promise.all(
        Array.from({ length: 300 }, () =>
          Bun.connect<{ sent: number }>({
            hostname: place.host,
            port: place.port,
            data: { sent: 0 },
            socket: {
              open: (socket) => {
                socket.write(`{"deaf":true,"last":"keep"}\n`);
                flush(socket);
              },
              drain: flush,
              data: () => {},
            },
          }),
        ),
      );
      await waitFor("all to be connected", () => server.open === 300, 20_000);
      for (let resting = 0; resting < 3; ) {
        const used = cpuSeconds(relay.pid);
        await Bun.sleep(300);
        resting = cpuSeconds(relay.pid) - used < 0.015 ? resting + 1 : 0;
      }
      cells.push(`${((memory() - before) / 2 ** 20).toFixed(1)} MiB`);
      for (const client of clients) client.terminate();
    }
    return cells;
  },
};
