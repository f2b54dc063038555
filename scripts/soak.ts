/**
 * Puts the built program under a mixed load and fails on drift of memory, descriptors or processor time, and on any
 * wrong byte.
 *
 *   bun scripts/soak.ts [MINUTES]
 *
 * Every round ends with a rest, in which what is left is measured.
 */
import { type Client, order } from "../test/support/client.ts";
import { Command } from "../test/support/command.ts";
import { backendCommand } from "../test/support/faulty-backend.ts";
import { announceProgramUnderTest, serve } from "../test/support/program-under-test.ts";
import { bytesFrom } from "../test/support/stream.ts";
import { freeTarget } from "../test/support/targets.ts";
import { waitFor } from "../test/support/wait.ts";

/** What is left in the rest after a round. */
interface Rest {
  /** Megabytes, descriptors, and processor seconds for 1,000 connections of the round. */
  memory: number;
  descriptors: number;
  cost: number;
  /** Which part of a core is used while nothing happens. */
  load: number;
}

const minutes = Number(process.argv[2] ?? 30);
if (!(minutes > 0)) throw new Error("MINUTES is not a number above 0");
const roundSeconds = Math.min(20, minutes * 6);
const clientsAtOnce = 20;
const limits = { memory: 10, descriptors: 2, cost: 2, load: 0.05 };

/** What clients do, each with its check. Sizes are in bytes, times in milliseconds. */
const visits: ((open: typeof connect) => Promise<void>)[] = [
  async (open) => whole(await open({ answer: 1_000 }), 1_000),
  async (open) => whole(await open({ answer: 100_000 }), 100_000),
  async (open) => whole(await open({ answer: 4_000_000, chunk: 300_000 }), 4_000_000),
  async (open) => whole(await open({ answer: 50, chunk: 1, pause: 10 }), 50),
  async (open) => {
    const client = (await open({ sum: true })).send(bytesFrom(0, 1_000_000));
    await waitFor("the upload", () => client.flushed, 60_000);
    await client.shutdown().over(60_000);
    expectEqual((JSON.parse(client.text) as { bytes: number }).bytes, 1_000_000);
    client.close();
  },
  async (open) => {
    const client = await open({ answer: 3_000_000 }, { reading: false });
    await Bun.sleep(300);
    client.resume();
    await whole(client, 3_000_000);
  },
  async (open) => {
    const client = await open({ answer: 10_000_000 });
    await client.got(100_000, 60_000);
    client.reset();
  },
  async (open) => {
    const client = await open({ answer: 20_000, last: "reset" });
    await client.got(20_000, 60_000);
    client.close();
  },
  async (open) => {
    const client = await open({ answer: 10, last: "hold" });
    await client.got(10, 60_000);
    await Bun.sleep(500);
    client.close();
  },
];

announceProgramUnderTest();
const target = freeTarget("unix");
const backend = new Command([...backendCommand, target.name, "64"]);
const daemon = await serve({ options: target.options });
process.on("exit", () => {
  for (const { process } of [backend, daemon]) process.kill("SIGKILL");
  target[Symbol.dispose]();
});
let connections = 0;

console.log(`${minutes} minutes, ${clientsAtOnce} clients at a time, a rest every ${roundSeconds} s`);
const start = performance.now();
const rests: Rest[] = [];
for (;;) {
  const [used, made] = [daemon.processorTime, connections];
  const until = performance.now() + roundSeconds * 1_000;
  await Promise.all(Array.from({ length: clientsAtOnce }, (_, index) => visitUntil(until, index)));
  const cost = ((daemon.processorTime - used) * 1_000) / (connections - made);
  rests.push(await rest(cost));
  tell(rests.at(-1) as Rest);
  if (performance.now() - start >= minutes * 60_000) break;
}
if (daemon.process.exitCode !== null) fail(`it ended with ${daemon.process.exitCode}`);
if (/error|warn/i.test(daemon.stderr)) fail(`it complained:\n${daemon.stderr}`);
judge(rests);
console.log(`No drift in ${connections} connections`);
process.exit(0);

function connect(...[wish, options]: Parameters<typeof order> extends [unknown, ...infer Rest] ? Rest : never) {
  connections++;
  return order(daemon.address, wish, options);
}

async function visitUntil(until: number, offset: number): Promise<void> {
  for (let index = offset; performance.now() < until; index++) {
    await visits[index % visits.length]?.(connect);
    // A soak is no benchmark: others use this machine too.
    await Bun.sleep(20);
  }
}

async function whole(client: Client, bytes: number): Promise<void> {
  await client.over(60_000);
  expectEqual(client.received, bytes);
  expectEqual(client.differsAt, null);
  client.close();
}

/** Waits until every connection is over and the collector has been through, and measures. */
async function rest(cost: number): Promise<Rest> {
  const first = rests[0]?.descriptors ?? Number.POSITIVE_INFINITY;
  const deadline = performance.now() + 10_000;
  do await Bun.sleep(1_000);
  while (daemon.descriptors > first && performance.now() < deadline);
  const load = await daemon.load(1_000);
  return { memory: daemon.memory / 2 ** 20, descriptors: daemon.descriptors, cost, load };
}

function tell({ memory, descriptors, cost, load }: Rest): void {
  const elapsed = ((performance.now() - start) / 60_000).toFixed(1);
  console.log(
    `${elapsed} min: ${connections} connections, ${memory.toFixed(1)} MB, ${descriptors} descriptors, ` +
      `${cost.toFixed(2)} s for 1,000 connections, at rest ${(load * 100).toFixed(1)} % of a core`,
  );
}

/** Compares the first third (without the first round, which warms up) with the last. */
function judge(rests: Rest[]): void {
  const measured = rests.length > 3 ? rests.slice(1) : rests;
  const third = Math.max(1, Math.floor(measured.length / 3));
  const [early, late] = [measured.slice(0, third), measured.slice(-third)];
  const median = (rests: Rest[], what: keyof Rest) =>
    rests.map((rest) => rest[what]).toSorted((a, b) => a - b)[Math.floor(rests.length / 2)] ?? 0;
  const grown = median(late, "memory") - median(early, "memory");
  if (grown > limits.memory) fail(`memory has grown by ${grown.toFixed(1)} MB`);
  const left = median(late, "descriptors") - median(early, "descriptors");
  if (left > limits.descriptors) fail(`${left} descriptors were left open`);
  const dearer = median(late, "cost") / median(early, "cost");
  if (dearer > limits.cost) fail(`a connection takes ${dearer.toFixed(1)} times the processor time`);
  const load = median(late, "load");
  if (load > limits.load) fail(`it uses ${(load * 100).toFixed(1)} % of a core at rest`);
}

function expectEqual<T>(value: T, expected: T): void {
  if (value !== expected) fail(`${expected} was expected and ${value} came`);
}

function fail(why: string): never {
  console.error(`soak: failed after ${((performance.now() - start) / 60_000).toFixed(1)} minutes: ${why}`);
  if (backend.stderr !== "") console.error(`The backend said:\n${backend.stderr}`);
  process.exit(1);
}
