import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { refuseUploads } from "../support/refusing-server.ts";
import { Comparison, need, run } from "./comparison.ts";

const rounds = 100;
const length = 40_000_000;
const body = "too large\n".repeat(10_000);

const pythonClient = join(import.meta.dir, "../support/put-client.py");

/** Reads and writes at the same time. */
const nodeClient = `
const http = require("node:http");
const [port, rounds, length] = process.argv.slice(1).map(Number);
const upload = Buffer.alloc(length);
(async () => {
  for (let round = 0; round < rounds; round++) {
    await new Promise((resolve) => {
      const request = http.request({ port, host: "127.0.0.1", method: "PUT", headers: { "content-length": length } }, (response) => {
        let received = 0;
        response.on("data", (chunk) => (received += chunk.length));
        response.on("end", () => {
          console.log(response.statusCode, received);
          request.destroy();
          resolve();
        });
      });
      // The rest of the upload may fail, as it does without a relay; the answer is what counts.
      request.on("error", (error) => console.error(error.code));
      request.end(upload);
    });
  }
})();
`;

test("a server that answers 413 and closes at once: curl, http.client and Node read all of it, 100 times each", async () => {
  await using comparison = new Comparison();
  const unix = comparison.path("refusing.sock");
  const server = refuseUploads(unix, body);
  try {
    const port = `${await comparison.relay("--socket-path", unix)}`;
    const numbers = [port, `${rounds}`, `${length}`];
    const expected = new Array(rounds).fill(`413 ${body.length}`);
    const lines = (text: string) => text.trimEnd().split("\n");

    const file = comparison.path("upload");
    writeFileSync(file, new Uint8Array(length));
    const format = "%{http_code} %{size_download}\\n";
    const urls = new Array(rounds).fill([`http://127.0.0.1:${port}/`, "-o", comparison.path("body")]).flat();
    const curl = [need("curl", "curl"), "-sS", "-H", "Expect:", "-w", format, "-X", "PUT", "--data-binary", `@${file}`];
    expect(lines((await run([...curl, ...urls])).stdout)).toEqual(expected);

    const python = await run([need("python3", "python3"), pythonClient, ...numbers]);
    expect([lines(python.stdout), python.stderr]).toEqual([expected, ""]);

    const node = await run([need("node", "nodejs"), "-e", nodeClient, ...numbers]);
    expect(lines(node.stdout)).toEqual(expected);
  } finally {
    server.stop(true);
  }
}, 240_000);
