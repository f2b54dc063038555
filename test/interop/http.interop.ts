import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { freePort } from "../support/ports.ts";
import { bytesFrom } from "../support/stream.ts";
import { accepts, Comparison, need, run, sha256 } from "./comparison.ts";

const curl = need("curl", "curl");

/** nginx on a Unix socket for the daemon and on a port for the direct connection. */
async function nginx(comparison: Comparison): Promise<{ direct: string; relayed: string }> {
  const port = freePort();
  const socket = comparison.path("nginx.sock");
  for (const name of ["files", "uploads", "temporary"]) mkdirSync(comparison.path(name));
  for (const [index, length] of [0, 1, 1_000, 100_000, 5_000_000].entries()) {
    writeFileSync(comparison.path(`files/${index}`), bytesFrom(0, length));
  }
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path temporary/${name};`,
  );
  writeFileSync(
    comparison.path("nginx.conf"),
    `daemon off; user root; pid nginx.pid; error_log error.log;
    events { worker_connections 512; }
    http {
      access_log off; ${temporary.join(" ")}
      server {
        listen 127.0.0.1:${port}; listen unix:${socket};
        root files; client_max_body_size 1m;
        location /uploads/ { root .; dav_methods PUT; client_max_body_size 100m; }
      }
    }`,
  );
  await comparison.serve([need("nginx", "nginx-light"), "-p", comparison.folder, "-c", "nginx.conf"], () =>
    accepts({ port }),
  );
  const relay = await comparison.relay("--socket-path", socket);
  return { direct: `http://127.0.0.1:${port}`, relayed: `http://127.0.0.1:${relay}` };
}

/** What an answer says apart from when it was made. */
function withoutDates(text: string): string {
  return text.replace(/^(Date|Last-Modified|ETag):.*\r\n/gim, "");
}

test("HTTP/1.1 keep-alive: many requests over one connection", async () => {
  await using comparison = new Comparison();
  const { direct, relayed } = await nginx(comparison);
  const answers = [];
  for (const origin of [direct, relayed]) {
    const urls = Array.from({ length: 60 }, (_, index) => `${origin}/${index % 6}`);
    const outputs = urls.flatMap((url) => ["-o", comparison.path("body"), url]);
    const format = "%{http_code} %{size_download} %{num_connects}\\n";
    const { status, stdout } = await run([curl, "-sS", "-w", format, ...outputs]);
    answers.push({ status, stdout });
    const whole = await run([curl, "-sS", "-D", "-", "-o", comparison.path("body"), `${origin}/4`]);
    answers.push({
      status: whole.status,
      stdout: withoutDates(whole.stdout),
      hash: await sha256(comparison.path("body")),
    });
  }
  expect(answers.slice(2)).toEqual(answers.slice(0, 2));
  expect(answers[0]?.stdout.split("\n").filter((line) => line.endsWith(" 1"))).toHaveLength(1);
});

test("an upload that waits for 100 Continue", async () => {
  await using comparison = new Comparison();
  const origins = await nginx(comparison);
  const file = comparison.path("upload");
  writeFileSync(file, bytesFrom(0, 30_000_000));
  const answers = [];
  for (const [name, origin] of Object.entries(origins)) {
    const url = `${origin}/uploads/${name}`;
    const { status, stdout } = await run([curl, "-sS", "-H", "Expect: 100-continue", "-D", "-", "-T", file, url]);
    const head = withoutDates(stdout).replace(/^Location:.*\r\n/im, "");
    answers.push({ status, head, hash: await sha256(comparison.path(`uploads/${name}`)) });
  }
  expect(answers[1]).toEqual(answers[0]);
  expect(answers[0]?.head).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 Created/);
});

test("an upload that is refused early with 413", async () => {
  await using comparison = new Comparison();
  const origins = await nginx(comparison);
  const file = comparison.path("upload");
  writeFileSync(file, bytesFrom(0, 20_000_000));
  for (const expectation of ["Expect:", "Expect: 100-continue"]) {
    const answers = [];
    for (const origin of Object.values(origins)) {
      const command = [curl, "-sS", "-H", expectation, "-w", "%{http_code}", "-o", comparison.path("body"), "-T", file];
      const { status, stdout } = await run([...command, `${origin}/refused`]);
      answers.push({ status, code: stdout, body: await Bun.file(comparison.path("body")).text() });
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[0]?.code).toBe("413");
  }
});

test("server-sent events arrive one by one", async () => {
  await using comparison = new Comparison();
  const socket = comparison.path("events.sock");
  const port = freePort();
  const answer = () =>
    new Response(
      async function* () {
        for (let index = 0; index < 10; index++) {
          yield `id: ${index}\ndata: ${"x".repeat(index * 100)}\n\n`;
          await Bun.sleep(50);
        }
      },
      { headers: { "content-type": "text/event-stream" } },
    );
  const servers = [
    Bun.serve({ unix: socket, fetch: answer }),
    Bun.serve({ hostname: "127.0.0.1", port, fetch: answer }),
  ];
  try {
    const relay = await comparison.relay("--socket-path", socket);
    const answers = [];
    for (const where of [port, relay]) {
      const times: number[] = [];
      let text = "";
      const response = await fetch(`http://127.0.0.1:${where}/`);
      for await (const chunk of response.body ?? []) {
        text += new TextDecoder().decode(chunk);
        times.push(performance.now());
      }
      answers.push({ status: response.status, type: response.headers.get("content-type"), text });
      expect(times.length).toBeGreaterThanOrEqual(8);
      expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(300);
    }
    expect(answers[1]).toEqual(answers[0]);
  } finally {
    for (const server of servers) server.stop(true);
  }
});

test("WebSocket: messages of all sizes come back, and the close code arrives", async () => {
  await using comparison = new Comparison();
  const socket = comparison.path("websocket.sock");
  const port = freePort();
  const options = {
    fetch: (request: Request, server: Bun.Server<undefined>) =>
      server.upgrade(request) ? undefined : new Response("no WebSocket", { status: 400 }),
    websocket: {
      message: (peer: Bun.ServerWebSocket<undefined>, message: string | Buffer) => {
        if (message === "bye") peer.close(4_001, "as you wish");
        else peer.send(message);
      },
    },
  };
  const servers = [Bun.serve({ ...options, unix: socket }), Bun.serve({ ...options, hostname: "127.0.0.1", port })];
  try {
    const relay = await comparison.relay("--socket-path", socket);
    const conversations = [];
    for (const where of [port, relay]) conversations.push(await converse(`ws://127.0.0.1:${where}/`));
    expect(conversations[1]).toEqual(conversations[0]);
    expect(conversations[0]?.at(-1)).toBe("closed 4001 as you wish");
  } finally {
    for (const server of servers) server.stop(true);
  }
});

/** Sends texts and bytes of growing sizes, and returns what was said back. */
function converse(url: string): Promise<string[]> {
  const heard: string[] = [];
  const sizes = [0, 1, 125, 126, 65_535, 65_536, 1_000_000];
  return new Promise((resolve, reject) => {
    const client = new WebSocket(url);
    client.binaryType = "arraybuffer";
    client.onopen = () => {
      for (const size of sizes) {
        client.send("é".repeat(size / 2));
        client.send(bytesFrom(0, size));
      }
      client.send("bye");
    };
    client.onmessage = ({ data }) => {
      const bytes = typeof data === "string" ? Buffer.from(data) : new Uint8Array(data as ArrayBuffer);
      heard.push(`${typeof data} ${bytes.length} ${Bun.SHA256.hash(bytes, "hex")}`);
    };
    client.onclose = ({ code, reason }) => resolve([...heard, `closed ${code} ${reason}`]);
    client.onerror = () => reject(new Error(`no WebSocket at ${url}`));
  });
}
