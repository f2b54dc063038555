/** Servers that are done before anybody looks: they write and close at once, on a Unix socket. */
import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { peer } from "../support/peers.ts";
import { start } from "../support/program-under-test.ts";

const python = peer("python3", "python3");

/** Answers each connection and closes it, without reading; its own process, so that it is faster than the relay. */
const quickServer = `
import os, socket
listener = socket.socket(socket.AF_UNIX)
listener.bind(os.environ["LAUNCH_PROGRAM_SOCKET_PATH"])
listener.listen(128)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"the whole answer")
    connection.close()
`;

function ask(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  const client = connect({ port, host: "127.0.0.1" }).setEncoding("utf8");
  client.on("data", (text) => {
    answer += text;
  });
  client.on("error", reject).on("end", () => resolve(answer));
  return promise;
}

describe.skipIf(!python)("a server that answers and closes at once (package python3)", () => {
  test("its answer arrives whole, every time", async () => {
    const folder = await mkdtemp(join(tmpdir(), "quick-"));
    try {
      await using daemon = start(["--listen", "127.0.0.1:0", python ?? "", "-c", quickServer], {
        env: { TMPDIR: folder },
      });
      const [, port] = await daemon.logged(/serving 127\.0\.0\.1:(\d+)/);
      for (let count = 0; count < 300; count++) expect(await ask(Number(port))).toBe("the whole answer");
      expect(daemon.stderr).not.toContain("error");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
