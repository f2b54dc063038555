/** `--exit-idle-at-rest`: the program and the daemon end although clients keep connections open, and nobody who asks notices. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { join } from "node:path";
import { Command } from "../support/command.ts";
import type { Job } from "../support/launchd/stand-in.ts";
import { peer } from "../support/peers.ts";
import { PooledClient } from "../support/pooled-client.ts";
import { freePort } from "../support/ports.ts";
import { alive, resident } from "../support/processes.ts";
import { randomNumbers } from "../support/seed.ts";
import { Stage, socket } from "../support/stage.ts";

const megabytes = 200;
let stage: Stage;
let server: string[];
beforeAll(async () => {
  stage = await Stage.set({ throttle: 10 });
  server = await stage.script("model-server.ts");
});
afterAll(() => stage[Symbol.asyncDispose]());

/** A job that ends after `idle` with connections at rest only. Its program never closes a connection by itself, as Ollama does not. */
async function load(idle: string, environment: Record<string, string> = {}, options: string[] = []): Promise<Job> {
  const port = freePort();
  return stage.load({
    Sockets: { Socket: socket("127.0.0.1", 0) },
    ProgramArguments: [
      ...[stage.program, "--exit-idle-time", idle, "--exit-idle-at-rest", "--tcp-address", `127.0.0.1:${port}`],
      ...[...options, ...server, "serve"],
    ],
    EnvironmentVariables: { OLLAMA_HOST: `127.0.0.1:${port}`, ...environment },
  });
}

/** What the model server says of itself. */
interface Answer {
  pid: number;
  megabytes: number;
}

/** Asks twice, by a client that keeps its connection, with an idle exit between; `ask` is to make one request and no second try. */
async function askAroundAnExit(job: Job, ask: () => Promise<string>): Promise<void> {
  const pids: number[] = [];
  for (const round of [1, 2]) {
    const answer: Answer = JSON.parse(await ask());
    pids.push(answer.pid);
    const daemon = job.pid ?? 0;
    expect([alive(daemon), alive(answer.pid)]).toEqual([true, true]);
    expect(resident(answer.pid)).toBeGreaterThan(megabytes * 1_000_000);
    await job.waitFor("its idle exit", () => job.exits.length === round);
    expect(job.exits.at(-1)).toMatchObject({ code: 0 });
    expect([resident(daemon), resident(answer.pid)]).toEqual([0, 0]);
    expect(await job.stderr()).toEndWith(
      "launch_socket_server: idle: 1 connection at rest for 800ms\nlaunch_socket_server: stopping\n",
    );
  }
  expect(new Set(pids).size).toBe(2);
}

const holding = { STAND_IN_MEGABYTES: `${megabytes}` };

describe("a client that keeps its connection: its program ends, its memory comes back, and the next request starts it", () => {
  const node = peer("node", "nodejs");
  test.skipIf(node === null)("Node's fetch", async () => {
    const job = await load("800ms", holding);
    const script = join(import.meta.dir, "../support/node-fetch.mjs");
    await using client = new Command([node ?? "", script], { stdin: "pipe" });
    let answers = 0;
    await askAroundAnExit(job, async () => {
      (client.process.stdin as Bun.FileSink).write(`http://127.0.0.1:${job.port()}/\n`);
      (client.process.stdin as Bun.FileSink).flush();
      const lines = await client.printed(new RegExp(`^(?:.*\n){${++answers}}`));
      return lines[0].trimEnd().split("\n").at(-1) ?? "";
    });
    await job.unload();
  });

  const curl = peer("curl", "curl");
  test.skipIf(curl === null)(
    "curl, three requests in one process",
    async () => {
      const job = await load("800ms", holding);
      const url = `http://127.0.0.1:${job.port()}/`;
      // One request every six seconds: --rate keeps connections between them, as without it.
      await using client = new Command([
        curl ?? "",
        "-sS",
        "--rate",
        "10/m",
        "-w",
        " %{num_connects}\\n",
        url,
        url,
        url,
      ]);
      const { code, stdout, stderr } = await client.ended(60_000);
      expect([code, stderr]).toEqual([0, ""]);
      const lines = stdout.trimEnd().split("\n");
      expect(lines.map((line) => line.slice(-2))).toEqual([" 1", " 1", " 1"]);
      expect(new Set(lines.map((line) => JSON.parse(line.slice(0, -2)).pid)).size).toBe(3);
      const rests = (await job.stderr()).match(/idle: 1 connection at rest for 800ms/g) ?? [];
      expect(rests.length).toBeGreaterThanOrEqual(2);
      await job.unload();
    },
    90_000,
  );

  const haproxy = peer("haproxy", "haproxy");
  test.skipIf(haproxy === null)("HAProxy, which pools connections to its servers", async () => {
    const job = await load("800ms", holding);
    const own = freePort();
    const configuration = await stage.write(
      "haproxy.cfg",
      `defaults
  mode http
  timeout connect 10s
  timeout client 1m
  timeout server 1m
listen web
  bind 127.0.0.1:${own}
  retries 0
  http-reuse always
  server program 127.0.0.1:${job.port()}
`,
    );
    await using proxy = new Command([haproxy ?? "", "-db", "-f", configuration]);
    expect(proxy.pid).toBeGreaterThan(0);
    await askAroundAnExit(job, async () => {
      for (;;) {
        // Its own listener may not be there yet; what the program says must come at the first try.
        const response = await fetch(`http://127.0.0.1:${own}/`, { keepalive: false }).catch(() => null);
        if (response !== null) return response.text();
        await Bun.sleep(20);
      }
    });
    await job.unload();
  });
});

test("of the requests that were with our kernel before the end, none is lost around 200 stops at random moments", async () => {
  const { below } = randomNumbers();
  const counts = { answered: 0, reused: 0, closed: 0, crossed: 0, lost: 0 };
  const client = async (job: Job) => {
    using one = new PooledClient(job.port());
    while (job.exits.length < 50) {
      const result = await one.ask();
      counts[result.kind]++;
      if (result.kind === "answered" && result.reused) counts.reused++;
      await Bun.sleep(below(80));
    }
  };
  const jobs = await Promise.all([1, 2, 3, 4].map(() => load("25ms", {}, ["--log-level", "debug"])));
  await Promise.all(jobs.flatMap((job) => [client(job), client(job)]));
  const logs = (await Promise.all(jobs.map((job) => job.stderr()))).join("");
  // No system call sends FIN only where nothing is unread. What comes between the look and the FIN is known by another look.
  const between = logs.match(/ended at rest, while its client sent$/gm)?.length ?? 0;
  console.log(JSON.stringify({ ...counts, between }));
  expect(counts.lost).toBeLessThanOrEqual(between);
  // Without the first look it would be some fifteen.
  expect(between).toBeLessThanOrEqual(4);
  // Without these it would be no test.
  expect(counts.answered).toBeGreaterThanOrEqual(200);
  expect(counts.reused).toBeGreaterThanOrEqual(50);
  expect(counts.closed).toBeGreaterThanOrEqual(50);
  expect(logs).not.toMatch(/error|program `|undelivered/);
  for (const job of jobs) {
    expect(job.exits.every(({ code }) => code === 0)).toBe(true);
    await job.unload();
  }
}, 300_000);

test("an answer after 30 s of silence is not cut by an idle time of 5 s, beside connections at rest", async () => {
  const job = await load("5s");
  using resting = new PooledClient(job.port());
  using thinking = new PooledClient(job.port());
  using again = new PooledClient(job.port());
  await resting.ask();
  await again.ask();
  const start = performance.now();
  const answers = await Promise.all([thinking.ask("/?think=30000"), again.ask("/?think=30000")]);
  expect(performance.now() - start).toBeGreaterThanOrEqual(30_000);
  expect(answers).toMatchObject([
    { kind: "answered", reused: false },
    { kind: "answered", reused: true },
  ]);
  expect(job.starts).toBe(1);
  await job.waitFor("its idle exit", () => job.exits.length === 1);
  expect(await job.stderr()).toContain("idle: 3 connections at rest for 5s\n");
  await job.unload();
}, 120_000);

test("a request that comes while the daemon does not run is seen when the time is over, and accepting goes on", async () => {
  const job = await load("300ms");
  using client = new PooledClient(job.port());
  using bystander = new PooledClient(job.port());
  for (let round = 0; round < 5; round++) {
    expect((await client.ask()).kind).toBe("answered");
    const daemon = job.pid ?? 0;
    // As when a laptop sleeps: the time passes, and both the request and the end of the time are there when it wakes.
    process.kill(daemon, "SIGSTOP");
    await Bun.sleep(600);
    const answer = client.ask();
    process.kill(daemon, "SIGCONT");
    expect(await answer).toMatchObject({ kind: "answered", reused: true });
    expect((await bystander.ask()).kind).not.toBe("lost");
  }
  expect(job.starts).toBe(1);
  await job.unload();
});

test("a client that keeps a connection which the program has ended", async () => {
  const job = await load("300ms");
  const client = connect({ host: "127.0.0.1", port: job.port(), allowHalfOpen: true });
  let answer = "";
  const ended = Promise.withResolvers<void>();
  client.setEncoding("utf8").on("data", (text) => {
    answer += text;
  });
  client.on("end", () => ended.resolve()).on("error", ended.reject);
  client.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  await ended.promise;
  expect(answer).toStartWith("HTTP/1.1 200 ");
  await job.waitFor("its idle exit", () => job.exits.length === 1);
  expect(await job.stderr()).toContain("idle: 1 connection at rest for 300ms\n");
  client.destroy();
  await job.unload();
});
