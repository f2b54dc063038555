/**
 * Random clients, and at a random moment one fault. Whatever happens: what a client got is the beginning of what its server sent;
 * a fault that passes costs nobody anything; after it new clients are served, and nothing stays open. The seed is printed.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { type Address, formatAddress } from "../../src/address.ts";
import { Client } from "../support/client.ts";
import { Command } from "../support/command.ts";
import { DelayedLink } from "../support/delayed-link.ts";
import { backendCommand, type Order } from "../support/faulty-backend.ts";
import { FewPorts } from "../support/few-ports.ts";
import { type ProgramUnderTest, start } from "../support/program-under-test.ts";
import { randomNumbers } from "../support/seed.ts";
import { bytesFrom } from "../support/stream.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

const random = randomNumbers();
const between = (low: number, high: number) => low + random.below(high - low);
const oneOf = <T>(...values: T[]): T => values[random.below(values.length)] as T;

/** What a client asks for, how many bytes it uploads behind that, and for how many milliseconds it does not read at first. */
interface Plan {
  order: Order;
  upload: number;
  deafFor: number;
}

/** A download, or an upload whose server tells how much it got of what. */
function anyPlan(): Plan {
  const size = oneOf(between(1, 1_000), between(1_000, 200_000), between(200_000, 3_000_000));
  const deafFor = oneOf(0, 0, between(1, 300));
  if (random.below(3) === 0) return { order: { sum: true }, upload: size, deafFor };
  const pause = oneOf({}, { pause: 1 }, { pause: 5 });
  return { order: { answer: size, chunk: oneOf(20_000, 200_000), ...pause }, upload: 0, deafFor };
}

async function play(address: Address, { order, upload, deafFor }: Plan): Promise<Client> {
  const client = await Client.open(address, { reading: deafFor === 0 });
  client.send(`${JSON.stringify(order)}\n`);
  if (deafFor > 0) setTimeout(() => client.resume(), deafFor);
  if (!order.sum) return client;
  client.send(bytesFrom(0, upload));
  // The end of the data follows the data; a client that is told of a loss before does not come to it.
  const sent = waitFor("the upload", () => client.flushed || client.state !== "open", 40_000);
  sent.then(() => client.flushed && client.shutdown()).catch(() => {});
  return client;
}

/** Whether the client has all that its order asked for. */
function complete(client: Client, { order, upload }: Plan): boolean {
  if (!order.sum) return client.received === order.answer && client.differsAt === null;
  const hash = new Bun.CryptoHasher("sha1").update(bytesFrom(0, upload)).digest("hex");
  return client.text === `${JSON.stringify({ bytes: upload, hash })}\n`;
}

/** What must not be, with a fault that passes (everything arrives) or one that cuts connections; null where all is well. */
function violation(client: Client, plan: Plan, cuts: boolean): string | null {
  const { received, state, differsAt } = client;
  const said = `${JSON.stringify(plan)}: ${received} bytes, ${state}, differs at ${differsAt}`;
  if (!plan.order.sum && (differsAt !== null || received > (plan.order.answer ?? 0))) return `other bytes: ${said}`;
  if (cuts) {
    // Nothing of the upload was answered: a client whose upload was not taken is told.
    return client.flushed || client.refused || state === "reset" || state === "closed"
      ? null
      : `looks delivered: ${said}`;
  }
  if (plan.order.last === "reset") return state === "reset" ? null : `looks whole: ${said}`;
  // Bun tells a client that has ended its own data of the other end only by the close.
  const orderly = state === "ended" || (state === "closed" && plan.order.sum);
  return orderly && complete(client, plan) ? null : `lost something: ${said}`;
}

/** A backend process; it can be started again at the same address. */
class Backend implements AsyncDisposable {
  #process: Command;

  constructor(
    readonly address: Address,
    readonly through: string[] = [],
  ) {
    this.#process = this.#start();
  }

  #start(): Command {
    if (this.address.kind === "unix") rmSync(this.address.path, { force: true });
    return new Command([...backendCommand, formatAddress(this.address)], { through: this.through });
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.#process.pid}/fd`).length;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#process.process.exitCode === null) this.#process.signal(signal);
  }

  async startAgain(): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    this.#process = this.#start();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

/** `begin` comes at a random moment after the first clients and before the others, `finish` a random while later. */
interface Fault {
  name: string;
  /** Connections that are open may be cut. */
  cuts?: true;
  /** The last client's order, in place of a random one. */
  last?: Order;
  /** Milliseconds; by default a random time under 700. */
  lasts?: number;
  begin(): Promise<void> | void;
  finish(): Promise<void> | void;
}

/** Plays one fault among random clients, and then without it. */
async function round(daemon: ProgramUnderTest, backend: Backend, fault: Fault): Promise<void> {
  const serveSome = async () => {
    for (let index = 0; index < 2; index++) {
      const plan: Plan = { order: { answer: 1_000 }, upload: 0, deafFor: 0 };
      using client = await play(daemon.address, plan);
      await client.over(40_000);
      expect(violation(client, plan, false)).toBeNull();
      client.close();
    }
  };
  await serveSome();
  const counts = () => [daemon.descriptors, backend.descriptors];
  let before = counts();
  // The connections that served some are closed as soon as both ends know.
  await waitFor("the first clients' descriptors", async () => {
    const now = counts();
    const same = now.every((count, index) => count === before[index]);
    before = now;
    if (!same) await Bun.sleep(50);
    return same;
  });

  const plans = Array.from({ length: between(4, 10) }, anyPlan);
  if (fault.last !== undefined) plans.push({ order: fault.last, upload: 0, deafFor: oneOf(0, between(1, 300)) });
  const [moment, duration] = [between(0, 80), fault.lasts ?? between(50, 700)];
  const label = `${fault.name} after ${moment} ms for ${duration} ms`;
  const playAll = (some: Plan[]) =>
    Promise.all(
      some.map(async (plan) => {
        try {
          return [{ plan, client: await play(daemon.address, plan) }];
        } catch (error) {
          // A client whose connection is reset before it knows that it has one has been told.
          if (fault.cuts && (error as NodeJS.ErrnoException).code === "ECONNRESET") return [];
          throw error;
        }
      }),
    );
  const latePlans = Array.from({ length: between(8, 12) }, anyPlan);
  const late = Bun.sleep(moment).then(async () => {
    await fault.begin();
    const clients = playAll(latePlans);
    await Bun.sleep(duration);
    await fault.finish();
    return clients;
  });
  const played = [...(await playAll(plans)), ...(await late)].flat();
  const clients = played.map(({ client }) => client);
  try {
    for (const client of clients) await client.over(40_000);
    // The end of the answer may come before the reset, when more comes from a client that has seen it.
    await Promise.all(
      clients.map((client) =>
        waitFor("an error", () => client.flushed || client.refused || client.state !== "ended", 10_000).catch(() => {}),
      ),
    );
    const violations = played.map(({ client, plan }) => violation(client, plan, fault.cuts === true));
    expect([label, ...violations.filter((one) => one !== null)]).toEqual([label]);
  } finally {
    for (const client of clients) client.close();
  }
  await serveSome();
  const [ownBefore = 0, backendBefore = 0] = before;
  await waitFor(
    () => `${label}: descriptors as before, ${before}, of which there are ${counts()}; ${daemon.stderr}`,
    () => daemon.descriptors <= ownBefore && backend.descriptors <= backendBefore,
    20_000,
  );
}

describe.each(["unix", "tcp"] as const)("%s", (kind) => {
  test("a server that is killed, resets or is frozen, and a frozen daemon", async () => {
    using target = freeTarget(kind);
    await using backend = new Backend(target.address);
    await using daemon = start(["--listen", "127.0.0.1:0", ...target.options, "-"]);
    await daemon.serves();
    const size = () => oneOf(between(1, 2_000), between(2_000, 3_000_000));
    const again = () => backend.startAgain();
    const nothing = () => {};
    const faults: (() => Fault)[] = [
      () => ({ name: "killed", cuts: true, begin: () => backend.signal("SIGKILL"), finish: again }),
      () => ({ name: "crash", cuts: true, last: { answer: size(), last: "crash" }, begin: nothing, finish: again }),
      // A Unix socket has no reset.
      () => ({
        name: "reset",
        last: { answer: size(), last: kind === "tcp" ? "reset" : "close" },
        begin: nothing,
        finish: nothing,
      }),
      () => ({
        name: "frozen server",
        begin: () => backend.signal("SIGSTOP"),
        finish: () => backend.signal("SIGCONT"),
      }),
      () => ({ name: "frozen daemon", begin: () => daemon.signal("SIGSTOP"), finish: () => daemon.signal("SIGCONT") }),
    ];
    for (const fault of faults) for (let index = 0; index < 2; index++) await round(daemon, backend, fault());
  }, 120_000);
});

test.skipIf(!FewPorts.possible)(
  "local ports that are gone for a while",
  async () => {
    await using space = await FewPorts.start(500);
    const { through } = space;
    await using backend = new Backend({ kind: "tcp", host: "127.0.0.1", port: 8_000 }, through);
    using place = freeTarget("unix");
    await using daemon = start(["--listen", place.name, "--tcp-address", "127.0.0.1:8000", "-"], { through });
    await daemon.serves();
    for (let index = 0; index < 3; index++) {
      const left = between(1, 4);
      const [begin, finish] = [() => space.limit(left), () => space.limit(500)];
      // The warning comes after a second.
      await round(daemon, backend, { name: `${left} ports`, lasts: between(1_200, 1_800), begin, finish });
    }
    expect(daemon.stderr).toContain("no local port is free");
  },
  120_000,
);

test.skipIf(DelayedLink.missing !== null)(
  "a link to the server that is down for a while",
  async () => {
    await using link = await DelayedLink.start({ rtt: 5 });
    const address: Address = { kind: "tcp", host: link.far.address, port: 8_000 };
    await using backend = new Backend(address, link.through("far"));
    using place = freeTarget("unix");
    const options = ["--listen", place.name, "--tcp-address", formatAddress(address), "-"];
    await using daemon = start(options, { through: link.through("near") });
    await daemon.serves();
    for (let index = 0; index < 4; index++) {
      await round(daemon, backend, { name: "link", begin: () => link.down(), finish: () => link.up() });
    }
  },
  120_000,
);
