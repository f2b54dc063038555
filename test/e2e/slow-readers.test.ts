/** Clients that take little at a time, but steadily, are not idle. */
import { describe, expect, test } from "bun:test";
import { Command } from "../support/command.ts";
import { FaultyBackend } from "../support/faulty-backend.ts";
import { peer } from "../support/peers.ts";
import { serve } from "../support/program-under-test.ts";
import { freeTarget } from "../support/targets.ts";

const python = peer("python3", "python3");

/**
 * Takes `rate` bytes a second for `seconds`, then the rest; prints how much there was and how it ended. Its receive buffer is small, so that its
 * kernel acknowledges about as much as it takes, and not much at long intervals.
 */
const reader = `
import socket, sys, time
port, rate, seconds = map(int, sys.argv[1:])
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, min(rate, 65_536))
connection.connect(("127.0.0.1", port))
connection.sendall(b'{"answer":12000000,"last":"end"}\\n')
received, start, end = 0, time.monotonic(), "orderly"
try:
    while True:
        slow = time.monotonic() - start < seconds
        piece = connection.recv(rate // 10 if slow else 1_000_000)
        if not piece:
            break
        received += len(piece)
        if slow:
            time.sleep(0.1)
except OSError as error:
    end = error.strerror
print(received, end)
`;

describe.skipIf(python === null).each(["unix", "tcp"] as const)("%s", (kind) => {
  test("clients that take 250,000 and 8,000 bytes a second are not cut by --idle-timeout 2s", async () => {
    using target = freeTarget(kind);
    using _backend = new FaultyBackend(target.address);
    await using daemon = await serve({ options: [...target.options, "--idle-timeout", "2s"] });
    const port = daemon.address.kind === "tcp" ? daemon.address.port : 0;
    const read = async (rate: number) => {
      await using client = new Command([python ?? "", "-c", reader, `${port}`, `${rate}`, "8"]);
      return (await client.ended(60_000)).stdout;
    };
    expect(await Promise.all([read(250_000), read(8_000)])).toEqual(["12000000 orderly\n", "12000000 orderly\n"]);
  }, 60_000);
});
