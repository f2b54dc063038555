/** What becomes of an upload whose server goes: a client is told by a reset, but never at the cost of its answer. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import type { Address } from "../../src/address.ts";
import { Client } from "../support/client.ts";

import { FaultyBackend } from "../support/faulty-backend.ts";
import { peer } from "../support/peers.ts";
import { type ProgramUnderTest, serve } from "../support/program-under-test.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

const python = peer("python3", "python3");
const socat = peer("socat", "socat");
const openssl = peer("openssl", "openssl");

/** How a socket reports a reset, the second where it has had the other side's FIN before (Linux, tcp_reset in tcp_input.c). */
const reset: (string | undefined)[] = ["ECONNRESET", "EPIPE"];

const portOf = (address: Address) => (address.kind === "tcp" ? address.port : 0);

/** How a client that keeps sending sees its connection end. */
interface Upload {
  socket: Socket;
  /** Bytes handed to the kernel, and what came back. */
  sent(): number;
  text: string;
  ended: boolean;
  error: string | undefined;
  closed: boolean;
}

/** Sends `lines`, then a megabyte at a time without end. */
function upload(port: number, lines: string): Upload {
  const socket = connectTcp({ host: "127.0.0.1", port, allowHalfOpen: true });
  const seen: Upload = {
    socket,
    sent: () => socket.bytesWritten,
    text: "",
    ended: false,
    error: undefined,
    closed: false,
  };
  socket.on("data", (chunk) => {
    seen.text += chunk.toString("latin1");
  });
  socket.on("end", () => {
    seen.ended = true;
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    seen.error = error.code;
  });
  socket.on("close", () => {
    seen.closed = true;
  });
  const piece = Buffer.alloc(1_000_000);
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.write(lines);
  socket.on("drain", more);
  more();
  return seen;
}

describe.skipIf(python === null)("a worker is killed while a client uploads to it (needs python3)", () => {
  const server = [python ?? "", join(import.meta.dir, "../support/prefork-server.py")];

  /** Kills the worker that has read a megabyte; the program goes on. */
  async function killWorker(daemon: ProgramUnderTest): Promise<void> {
    const [, pid] = await daemon.logged(/worker (\d+) is uploaded to/);
    process.kill(Number(pid), "SIGKILL");
  }

  test("a client without an answer gets a reset at once, and one warning counts what was lost", async () => {
    await using daemon = await serve({ program: server });
    const client = upload(portOf(daemon.address), "upload\n");
    await killWorker(daemon);
    await waitFor("the client to be told", () => client.closed);
    expect(reset).toContain(client.error);
    await daemon.logged(
      /the program closed a connection before it had taken all that its client sent: [1-9]\d* bytes could not/,
    );
    expect(daemon.stderr.match(/could not be delivered/g)).toHaveLength(1);
    using next = (await Client.open(daemon.address)).send("hello\n");
    await next.got(2);
  });

  test("a client that was answered before is read on, and gets a reset once it has been silent for a while", async () => {
    await using daemon = await serve({ program: server });
    const client = upload(portOf(daemon.address), "hello\nupload\n");
    await killWorker(daemon);
    await waitFor("the end of the answers", () => client.ended);
    expect(client.text).toMatch(/^\d+\n$/);
    const before = client.sent();
    await waitFor("the upload to go on", () => client.sent() > before + 10_000_000);
    client.socket.removeAllListeners("drain");
    await waitFor("the client to be told", () => client.closed);
    expect(reset).toContain(client.error);
    await daemon.logged(/could not be delivered/);
  });

  test("a client that was answered and ends its upload meanwhile sees an orderly end, which only the debug log tells of", async () => {
    await using daemon = await serve({ program: server, env: { LAUNCH_DAEMON_LOG_LEVEL: "debug" } });
    const client = upload(portOf(daemon.address), "hello\nupload\n");
    await killWorker(daemon);
    await waitFor("the end of the answers", () => client.ended);
    client.socket.end();
    await waitFor("the client's end", () => client.closed);
    expect(client.error).toBeUndefined();
    await daemon.logged(/bytes down, [1-9]\d* bytes undelivered, ended in order/);
    expect(daemon.stderr).not.toContain("could not be delivered");
  });

  test.skipIf(socat === null)("socat -u of 40 MB fails (needs socat)", async () => {
    await using daemon = await serve({ program: server });
    using folder = freeTarget("unix");
    const file = `${folder.name}.upload`;
    writeFileSync(file, Buffer.concat([Buffer.from("upload\n"), Buffer.alloc(40_000_000)]));
    const client = Bun.spawn([socat ?? "", "-u", file, `TCP:127.0.0.1:${portOf(daemon.address)}`], { stderr: "pipe" });
    await killWorker(daemon);
    expect(await client.exited).toBe(1);
    expect(await new Response(client.stderr).text()).toMatch(/Broken pipe|Connection reset by peer/);
  });
});

describe.each(["unix", "tcp"] as const)("%s", (kind) => {
  test("a server that closes with input unread ends in order, since nothing of it is lost", async () => {
    using target = freeTarget(kind);
    using backend = new FaultyBackend(target.address);
    await using daemon = await serve({ options: target.options });
    // What the server's kernel takes and the server leaves unread was delivered.
    using client = (await Client.open(daemon.address)).send('{"answer":3000,"deaf":true,"last":"close"}\n\r\n');
    await client.got(3_000);
    await client.over();
    expect([client.received, client.differsAt]).toEqual([3_000, null]);
    // A TCP server that does so sends a reset, which is passed on.
    if (kind === "unix") expect(client.state).toBe("ended");
    await waitFor("the end of the connection", () => backend.open === 0);
    client.close();
    expect(daemon.stderr).not.toContain("could not be delivered");
  });

  test("an answer that its server breaks off after it is whole for a client that reads later than a stop would take", async () => {
    using target = freeTarget(kind);
    using _backend = new FaultyBackend(target.address);
    await using daemon = await serve({ options: [...target.options, "--stop-timeout", "300ms"] });
    using client = await Client.open(daemon.address, { reading: false });
    client.send('{"answer":3000000,"last":"reset"}\n');
    // Longer than the stop timeout, which has nothing to do with it.
    await Bun.sleep(1_000);
    client.resume();
    await client.over();
    expect([client.received, client.differsAt, client.state]).toEqual([
      3_000_000,
      null,
      kind === "tcp" ? "reset" : "ended",
    ]);
    client.close();
  });
});

describe.skipIf(openssl === null)("a TLS server that closes first (needs openssl)", () => {
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tls-"));
    const subject = ["-subj", "/CN=localhost", "-days", "2"];
    await Bun.$`${openssl} req -x509 -newkey rsa:2048 -nodes ${subject} -keyout ${folder}/key -out ${folder}/certificate`.quiet();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("a client's close_notify behind its end is no loss to warn of, 1,000 times", async () => {
    const unix = join(folder, "socket");
    using server = Bun.listen({
      unix,
      tls: { key: Bun.file(`${folder}/key`), cert: Bun.file(`${folder}/certificate`) },
      socket: {
        data: (socket) => {
          socket.end("bye");
        },
      },
    });
    await using daemon = await serve({ options: ["--socket-path", server.unix] });
    const port = portOf(daemon.address);
    const one = () =>
      new Promise<string>((resolve, reject) => {
        let text = "";
        const client = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => client.write("hello"));
        client.on("data", (chunk) => {
          text += chunk;
        });
        client.on("error", reject).on("close", () => resolve(text));
      });
    const answers: string[] = [];
    for (let round = 0; round < 100; round++) {
      answers.push(...(await Promise.all(Array.from({ length: 10 }, one))));
    }
    expect(answers).toEqual(new Array(1_000).fill("bye"));
    expect(daemon.stderr).not.toContain("could not be delivered");
  });
});
