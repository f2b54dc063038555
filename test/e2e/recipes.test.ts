/** The pages of docs/recipes, each done as it says, with the real server or a stand-in that says so. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { Command } from "../support/command.ts";
import type { Job } from "../support/launchd/stand-in.ts";
import { peer } from "../support/peers.ts";
import { PooledClient } from "../support/pooled-client.ts";
import { freePort } from "../support/ports.ts";
import { alive, resident } from "../support/processes.ts";
import { Recipe } from "../support/recipe.ts";
import { Crowd } from "../support/requests.ts";
import { Stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const isRoot = process.getuid?.() === 0;
let stage: Stage;
let job: Job | null = null;
beforeAll(async () => {
  stage = await Stage.set({ throttle: 10 });
});
afterAll(() => stage[Symbol.asyncDispose]());
afterEach(async () => {
  await job?.unload(5_000);
  job = null;
});

describe.skipIf(!isRoot)("a recipe (as root: it is run by the user nobody)", () => {
  const holds = 500;
  const models = {
    llama: { label: "com.example.llama", command: "/opt/homebrew/bin/llama-server", port: "8080", own: {} },
    Ollama: { label: "com.example.ollama", command: "/opt/homebrew/bin/ollama", port: "11434", own: { "11435": "" } },
  };
  test.each(Object.entries(models))(
    "model-server, %s: a stand-in that loads for 2 s, holds 500 MB and thinks for 20 s, asked by a client that keeps its connection",
    async (name, { label, command, port, own }) => {
      const server = await stage.script("model-server.ts");
      const standIn = await stage.write(
        `stand-in-${name}`,
        `#!/bin/sh
export STAND_IN_MEGABYTES=${holds} STAND_IN_LOADS_FOR=2000 STAND_IN_THINKS_FOR=20000
exec ${server.join(" ")} "$@"
`,
        0o755,
      );
      const ports = Object.fromEntries(Object.keys({ [port]: "", ...own }).map((port) => [port, `${freePort()}`]));
      const recipe = await Recipe.read(stage, "model-server.md", {
        ...ports,
        [command]: standIn,
        "--exit-idle-time 10m": "--exit-idle-time 3s",
      });
      if (name === "llama") await recipe.run("cat > ");
      job = await recipe.load(label);
      const loaded = job;
      using client = new PooledClient(loaded.port());
      const pids: number[] = [];
      for (const [start, thinks] of [20_000, 0].entries()) {
        expect(loaded.starts).toBe(start);
        const began = performance.now();
        const result = await client.ask(thinks > 0 ? "/v1/chat/completions" : "/v1/chat/completions?think=0");
        if (result.kind === "closed") {
          expect(start).toBe(1);
        }
        const answer = result.kind === "closed" ? await client.ask("/?think=0") : result;
        expect(answer).toMatchObject({ kind: "answered" });
        expect(performance.now() - began).toBeGreaterThan(thinks + 2_000);
        const { pid, megabytes } = JSON.parse(answer.kind === "answered" ? answer.text : "");
        expect(megabytes).toBe(holds);
        expect(resident(pid)).toBeGreaterThan(holds * 1_000_000);
        pids.push(pid);
        await loaded.waitFor("the idle exit", () => loaded.exits.length === start + 1);
        expect(loaded.exits.at(-1)).toMatchObject({ code: 0 });
        expect(resident(pid)).toBe(0);
        expect(await loaded.stderr()).toContain("idle: 1 connection at rest for 3s\n");
      }
      expect(new Set(pids).size).toBe(2);
    },
    120_000,
  );

  const postgres = postgresFolder();
  test.skipIf(postgres === null)(
    "database: PostgreSQL, whose sessions are kept and which ends after the last",
    async () => {
      const port = `${freePort()}`;
      const recipe = await Recipe.read(stage, "database.md", {
        "/opt/homebrew/opt/postgresql@17/bin": postgres ?? "",
        "--port 5432": `--port ${port}`,
        "-p 5432": `-p ${port}`,
        "--exit-idle-time 10m": "--exit-idle-time 1s",
      });
      await recipe.run("initdb");
      job = await recipe.load("com.example.postgres");
      const loaded = job;
      expect((await recipe.run("psql")).stdout).toBe("ready\n");
      await loaded.waitFor("the idle exit", () => loaded.exits.length === 1);
      expect(loaded.exits[0]).toMatchObject({ code: 0 });

      const environment = { PGPASSWORD: (await Bun.file(recipe.path("postgres/password")).text()).trim() };
      const psql = ["psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", port, "-U", "sam", "postgres"];
      await using session = new Command(psql, { env: environment, stdin: "pipe" });
      const say = (line: string) => {
        (session.process.stdin as Bun.FileSink).write(`${line}\n`);
        (session.process.stdin as Bun.FileSink).flush();
      };
      say("CREATE TEMPORARY TABLE kept AS SELECT 'as it was' AS text;");
      say("SELECT 'made';");
      await session.printed(/made/);
      // Longer than the idle time: what a session keeps is not for an idle exit to take.
      await Bun.sleep(2_500);
      say("SELECT text FROM kept;");
      await session.printed(/as it was/);
      expect(loaded.exits.length).toBe(1);
      // A stop ends the session, in less than launchd's 5 s, and leaves nothing to recover.
      const server = await Bun.file(recipe.path("postgres/data/postmaster.pid")).text();
      process.kill(loaded.pid ?? 0, "SIGTERM");
      await loaded.waitFor("the stop", () => loaded.exits.length === 2);
      expect(loaded.exits[1]).toMatchObject({ code: 0 });
      expect(alive(Number.parseInt(server, 10))).toBe(false);
      const log = await loaded.stderr();
      expect(log).toContain("received fast shutdown request");
      expect(log).not.toMatch(/was killed|not properly shut down/);
      // Without the password nobody comes in, although the server sees a client of this machine.
      await using stranger = new Command([...psql.slice(0, -1), "-w", "postgres"], { env: {} });
      expect((await stranger.ended()).stderr).toContain("no password supplied");
    },
    60_000,
  );

  const servers = {
    gunicorn: { command: peer("gunicorn", "gunicorn"), file: "app.py", broken: "raise SystemExit(3)\n" },
    puma: { command: peer("puma", "puma"), file: "config.ru", broken: "exit 3\n" },
  };
  for (const [name, { command, file, broken }] of Object.entries(servers)) {
    test.skipIf(command === null)(
      `deploy: ${name}, to clients that repeat nothing, and a version that does not start`,
      async () => {
        const port = freePort();
        const reload = "--reload com.example.gunicorn";
        const recipe = await Recipe.read(stage, "deploy.md", {
          [`/opt/homebrew/bin/${name}`]: command ?? "",
          "--port 80": `--port ${port}`,
          [reload]: `--reload com.example.${name}`,
        });
        await recipe.run(`releases/1/${file}`);
        const loaded = await recipe.load(`com.example.${name}`);
        job = loaded;
        const crowd = new Crowd({ kind: "tcp", host: "127.0.0.1", port }, 10, 5);
        await waitFor("the old version", () => (crowd.answers.get("1") ?? 0) > 50);

        await recipe.run("cp -R");
        const release = Bun.file(recipe.path(`web/releases/2/${file}`));
        // Python tells a changed file by its length and the second of its change.
        await release.write((await release.text()).replace("1 is the version", "2 is the new version"));
        const { stdout } = await recipe.run("ln -sfn releases/2");
        expect(stdout).toMatch(/^com\.example\.\w+ is reloaded: .*, 0 were cut\n$/);
        await waitFor("the new version", () => (crowd.answers.get("2") ?? 0) > 50);

        await release.write(broken);
        const failed = await recipe.run("ln -sfn releases/2").catch((error: Error) => error.message);
        expect(failed).toMatch(/ ended with 1: [\s\S]*cannot reload com\.example\.\w+: /);
        const before = crowd.answers.get("2") ?? 0;
        await waitFor("the new version still", () => (crowd.answers.get("2") ?? 0) > before + 50);
        await crowd.over();
        expect(crowd.failures).toEqual([]);
        expect([...crowd.answers.keys()].sort()).toEqual(["1", "2"]);
        expect(loaded.starts).toBe(1);
      },
      90_000,
    );
  }

  const openssl = peer("openssl", "openssl");
  const nginx = "/opt/homebrew/bin/nginx -e stderr -p /Users/sam/https -c nginx.conf";
  const proxies = {
    nginx: { command: peer("nginx", "nginx-light"), run: nginx.replace("/opt/homebrew/bin/", "") },
    haproxy: { command: peer("haproxy", "haproxy"), run: "haproxy -db -q -f /Users/sam/https/haproxy.cfg" },
  };
  for (const [name, { command, run }] of Object.entries(proxies)) {
    test.skipIf(command === null || openssl === null)(
      `https: ${name}, with its own certificate and the clients' addresses`,
      async () => {
        const [port, own] = [`${freePort()}`, `${freePort()}`];
        const recipe = await Recipe.read(stage, "https.md", {
          [nginx]: run.replace(name, command ?? ""),
          "127.0.0.1:8443": `127.0.0.1:${own}`,
          "--port 443": `--port ${port}`,
          "https://localhost:443": `https://localhost:${port}`,
        });
        await recipe.run("openssl req");
        if (name === "haproxy") await configureHaproxy(recipe);
        job = await recipe.load("com.example.https");
        const says = `hello 127.0.0.1, on ${port}\n`;
        expect((await recipe.run("curl")).stdout).toBe(says);
        const certificate = recipe.path("https/certificate.pem");
        const before = await fingerprint(["-in", certificate]);
        expect(await served(port)).toBe(before);

        if (name !== "nginx") return;
        // A new certificate, and the signal that the page sends.
        await recipe.run("openssl req");
        expect(await fingerprint(["-in", certificate])).not.toBe(before);
        process.kill(job.pid ?? 0, "SIGHUP");
        await waitFor("the new certificate", async () => (await served(port)) !== before);
        expect((await recipe.run("curl")).stdout).toBe(says);
      },
      60_000,
    );
  }

  test("each page is tested", () => {
    const pages = readdirSync(new URL("../../docs/recipes", import.meta.url)).sort();
    expect(pages).toEqual(["database.md", "deploy.md", "https.md", "model-server.md"]);
  });
});

/** Where PostgreSQL's own programs are: Debian puts them beside no PATH. */
function postgresFolder(): string | null {
  const root = "/usr/lib/postgresql";
  const [version] = Bun.which("psql") === null ? [] : readdirSync(root).sort().reverse();
  if (version === undefined && process.env.CI) throw new Error("CI lacks PostgreSQL: apt-get install postgresql");
  return version === undefined ? null : `${root}/${version}/bin`;
}

/** HAProxy with the line of the page, and with what nginx has there beside it. */
async function configureHaproxy(recipe: Recipe): Promise<void> {
  await recipe.runLine("cat certificate.pem key.pem > both.pem", "https");
  const { text } = recipe.block("accept-proxy");
  const configuration = `defaults
  mode http
  timeout connect 10s
  timeout client 1m
  timeout server 1m
frontend https
  ${text.trim()}
  http-request return status 200 content-type text/plain lf-string "hello %[src], on %[dst_port]\\n"
`;
  await Bun.write(recipe.path("https/haproxy.cfg"), configuration);
}

/** The fingerprint of the certificate that is given to openssl's x509. */
async function fingerprint(options: string[], stdin?: Buffer): Promise<string> {
  const command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", ...options];
  await using openssl = new Command(command, stdin === undefined ? {} : { stdin });
  return (await openssl.ended()).stdout;
}

/** That of the certificate which is served on a port of 127.0.0.1. */
async function served(port: string): Promise<string> {
  await using client = new Command([
    "openssl",
    "s_client",
    "-connect",
    `127.0.0.1:${port}`,
    "-servername",
    "localhost",
  ]);
  return fingerprint([], Buffer.from((await client.ended()).stdout));
}
