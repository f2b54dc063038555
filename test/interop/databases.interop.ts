import { expect, test } from "bun:test";
import { chmodSync, chownSync, readdirSync } from "node:fs";
import { freePort } from "../support/ports.ts";
import { accepts, Comparison, need, run } from "./comparison.ts";

test("Redis: redis-benchmark with pipelining, and a value of 50 MB", async () => {
  await using comparison = new Comparison();
  const socket = comparison.path("redis.sock");
  const port = freePort();
  const server = [need("redis-server", "redis-server"), "--port", `${port}`, "--unixsocket", socket, "--save", ""];
  await comparison.serve([...server, "--dir", comparison.folder], () => accepts({ unix: socket }));
  const relay = await comparison.relay("--socket-path", socket);
  const answers = [];
  for (const where of [port, relay]) {
    const load = [need("redis-benchmark", "redis-tools"), "-p", `${where}`, "-n", "20000", "-c", "50", "--csv"];
    const kinds = [];
    for (const options of [
      ["-t", "set,get,lpush,lrange_100"],
      ["-P", "16", "-t", "set,get"],
      ["-d", "100000", "-n", "500", "-t", "set,get"],
    ]) {
      const { status, stdout, stderr } = await run([...load, ...options]);
      kinds.push({ status, tests: stdout.match(/^"[^"]*"/gm), errors: /error/i.test(stdout + stderr) });
    }
    const cli = [need("redis-cli", "redis-tools"), "-p", `${where}`];
    const value = "0123456789".repeat(5_000_000);
    const set = await run([...cli, "-x", "SET", "large"], value);
    const get = await run([...cli, "--raw", "GET", "large"]);
    await run([...cli, "FLUSHALL"]);
    answers.push({ kinds, set: set.stdout, same: get.stdout === `${value}\n` });
  }
  expect(answers[1]).toEqual(answers[0] as (typeof answers)[0]);
  expect(answers[0]).toMatchObject({
    set: "OK\n",
    same: true,
    kinds: [{ errors: false }, { errors: false }, { errors: false }],
  });
}, 120_000);

test("PostgreSQL on its Unix socket: queries, COPY both ways, cancel, errors and LISTEN", async () => {
  await using comparison = new Comparison();
  const [version] = readdirSync("/usr/lib/postgresql").toSorted().reverse();
  const bin = `/usr/lib/postgresql/${version}/bin`;
  const postgres = need(`${bin}/postgres`, "postgresql");
  const { uid, gid } = await postgresUser();
  chownSync(comparison.folder, uid, gid);
  chmodSync(comparison.folder, 0o755);
  const as = ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  const data = comparison.path("data");
  const made = await run([
    ...as,
    `${bin}/initdb`,
    "-D",
    data,
    "-U",
    "tester",
    "-A",
    "trust",
    "-E",
    "UTF8",
    "--no-sync",
  ]);
  expect(made.status).toBe(0);
  const socket = `${comparison.folder}/.s.PGSQL.5432`;
  const server = [...as, postgres, "-D", data, "-k", comparison.folder, "-h", "", "-p", "5432", "-F"];
  const psql = (host: string, port: number, ...options: string[]) => [
    need("psql", "postgresql-client"),
    "-X",
    "-q",
    "-A",
    "-t",
    "-U",
    "tester",
    "-h",
    host,
    "-p",
    `${port}`,
    "postgres",
    ...options,
  ];
  await comparison.serve(server, async () => (await run(psql(comparison.folder, 5432, "-c", "SELECT 1"))).status === 0);
  const relay = await comparison.relay("--socket-path", socket);
  const answers = [];
  for (const [host, port] of [
    [comparison.folder, 5432],
    ["127.0.0.1", relay],
  ] as const) {
    const rows = Array.from({ length: 100_000 }, (_, index) => `${index}\trow ${index}`).join("\n");
    const script = `
      CREATE TABLE items (id integer PRIMARY KEY, name text);
      COPY items FROM STDIN;\n${rows}\n\\.
      SELECT count(*), sum(id), md5(string_agg(name, ',' ORDER BY id)) FROM items;
      COPY items TO STDOUT;
      SELECT repeat('x', 20000000);
      LISTEN news; NOTIFY news, 'hello';
      SET statement_timeout = 200; SELECT pg_sleep(10);
      SELECT 1/0;
      DROP TABLE items;`;
    const { status, stdout, stderr } = await run(psql(host, port), script);
    answers.push({
      status,
      output: Bun.SHA256.hash(stdout.replace(/PID \d+/g, "PID"), "hex"),
      length: stdout.length,
      stderr,
    });
  }
  expect(answers[1]).toEqual(answers[0] as (typeof answers)[0]);
  expect(answers[0]?.length).toBeGreaterThan(21_000_000);
  expect(answers[0]?.stderr).toMatch(/statement timeout[\s\S]*division by zero/);
}, 120_000);

async function postgresUser(): Promise<{ uid: number; gid: number }> {
  const [, , uid, gid] = (await run(["getent", "passwd", "postgres"])).stdout.split(":");
  return { uid: Number(uid), gid: Number(gid) };
}
