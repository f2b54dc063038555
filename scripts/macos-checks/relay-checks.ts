/**
 * What a connection through the program has to survive on a Mac, where Bun's event loop stands on kqueue. Each entry
 * names what Bun is known or suspected to do there; the issue numbers are oven-sh/bun's.
 */
import { type BlockingSocket, SocketError } from "./blocking-socket.ts";
import { digest, pattern } from "./payload.ts";
import { run, type Service, type ServiceOptions, until } from "./service.ts";

export interface RelayCheck {
  readonly name: string;
  readonly options: ServiceOptions;
  readonly verify: (service: Service) => Promise<void>;
}

const MEGABYTES = 8_000_000;

/** Over a Unix socket and over TCP. */
const both = (name: string, verify: RelayCheck["verify"], environment = {}): RelayCheck[] => [
  { name: `${name}, Unix socket`, options: { environment }, verify },
  { name: `${name}, TCP`, options: { target: "tcp", environment }, verify },
];

export const RELAY_CHECKS: readonly RelayCheck[] = [
  ...both("half-close, client first", async (service) => {
    const client = service.connect();
    client.send("digest\n");
    client.send(pattern(300_000));
    client.endSending();
    expectAnswer(client.receiveAll(), digest(pattern(300_000)));
    client.close();
  }),

  ...both("half-close, server first", async (service) => {
    const client = service.connect();
    client.send("first\n");
    expectAnswer(client.receiveAll(), "begin");
    client.send(pattern(300_000));
    client.endSending();
    client.close();
    await untilLast(service, digest(pattern(300_000)));
  }),

  // A Unix socket sends from 8,192 bytes on macOS: write() takes a part of almost every chunk.
  ...both("8 MB each way", async (service) => {
    const client = service.connect();
    client.send("digest\n");
    client.send(pattern(MEGABYTES));
    client.endSending();
    expectAnswer(client.receiveAll(), digest(pattern(MEGABYTES)));
    client.close();
    expectPayload(service, MEGABYTES, { unread: "", pause: 0 });
  }),

  // When a Unix peer closes, kqueue may report data, end and then ECONNRESET: the answer is whole all the same.
  {
    name: "server closes with unread input while the relay reads, Unix socket",
    options: {},
    verify: async (service) => expectPayload(service, 100, { unread: "unread", pause: 0 }),
  },
  {
    name: "server closes with unread input while the relay is paused, Unix socket",
    options: {},
    verify: async (service) => expectPayload(service, MEGABYTES, { unread: "unread", pause: 1500 }),
  },

  {
    name: "server resets: what came before it arrives, and then the reset, TCP",
    options: { target: "tcp" },
    verify: async (service) => {
      const client = service.connect();
      client.send("reset 65536\n");
      const { bytes, ending } = client.receiveAll();
      client.close();
      expectEqual("the answer", digest(bytes), digest(pattern(65_536)));
      expectEqual("its end", ending, "reset");
    },
  },

  // #37077: deaf to a reset after `end`.
  ...both("client resets after its half-close: the server learns it", async (service) => {
    const client = service.connect();
    client.send("drip 8000\n");
    client.endSending();
    client.receive();
    client.reset();
    await untilLast(service, "broken");
  }),

  // #39610: a paused socket deaf to resets.
  ...both("client resets while the relay is paused: the server learns it", async (service) => {
    const client = fill(service, "hold 1500\n");
    client.reset();
    await until("the server has seen the end", 10_000, () => ["end", "reset"].includes(service.ask("last")));
  }),

  // #39949: a paused socket woken by every segment.
  ...both("no busy loop while the relay is paused", async (service) => {
    const client = fill(service, "hold 4000\n");
    await expectIdle(service);
    client.reset();
  }),

  // #37077: the spin of a half-open socket that is reset after pending writes.
  ...both("no busy loop after a reset after unsent data", async (service) => {
    const client = service.connect();
    client.send(`send ${MEGABYTES}\n`);
    client.endSending();
    client.receive(1);
    await Bun.sleep(300);
    client.reset();
    await expectIdle(service);
    expectPayload(service, 100, { unread: "", pause: 0 });
  }),

  // What the kernel tells of unread and unacknowledged bytes, and FIN by a call of ours behind Bun's back.
  ...both(
    "connections at rest do not keep the daemon, and a client that waits does",
    async (service) => {
      service.ask("who");
      const before = service.pid();
      const waiting = service.connect();
      waiting.send("hold 5000\n");
      await Bun.sleep(4500);
      expectEqual("the daemon", String(service.pid()), String(before));
      waiting.close();
      const answered = service.connect();
      answered.send("first\n");
      expectAnswer(answered.receiveAll(), "begin");
      const silent = service.connect();
      await until("the daemon has ended", 10_000, () => service.pid() === null);
      answered.close();
      silent.close();
      const [told = "nothing"] = service.log().match(/idle: .*/) ?? [];
      expectEqual("the log's line", told, "idle: 2 connections at rest for 2s");
    },
    { LAUNCH_DAEMON_EXIT_IDLE_TIME: "2s", LAUNCH_DAEMON_EXIT_IDLE_AT_REST: "1" },
  ),

  // On a Unix socket `close` may not come after `end` and `shutdown()` until the peer closes.
  ...both("no descriptor stays behind", async (service) => {
    service.ask("who");
    const before = descriptors(service);
    for (let i = 0; i < 50; i++) {
      const client = service.connect();
      client.send("digest\nsome bytes");
      client.endSending();
      client.receiveAll();
      client.close();
    }
    await until("the descriptors are as many as before", 10_000, () => descriptors(service) <= before);
  }),
];

function expectEqual(what: string, found: string, expected: string): void {
  if (found !== expected) throw new Error(`${what} is "${found}" instead of "${expected}"`);
}

function expectAnswer({ bytes, ending }: { bytes: Uint8Array; ending: string }, expected: string): void {
  expectEqual("the answer", new TextDecoder().decode(bytes), expected);
  expectEqual("the end of the answer", ending, "end");
}

/** Has so many bytes sent, begins to read after a pause (milliseconds), and wants all of them and an orderly end. */
function expectPayload(service: Service, amount: number, { unread, pause }: { unread: string; pause: number }): void {
  const client = service.connect();
  client.send(`send ${amount}\n${unread}`);
  Bun.sleepSync(pause);
  const { bytes, ending } = client.receiveAll();
  client.close();
  expectEqual("what the server sent", digest(bytes), digest(pattern(amount)));
  expectEqual("its end", ending, "end");
}

async function untilLast(service: Service, expected: string): Promise<void> {
  let found = "";
  await until(`the server had seen "${expected}" (it saw "${found}")`, 10_000, () => {
    found = service.ask("last");
    return found === expected;
  });
}

/**
 * A client that sends the command, and then until nobody takes more: everything on the way to the server is full, and the relay paused.
 * The server has been reached before: a client that leaves while the relay still waits for the server is not told of there.
 */
function fill(service: Service, command: string): BlockingSocket {
  service.ask("who");
  const client = service.connect();
  client.send(command);
  client.setTimeout(300);
  try {
    for (let sent = 0; sent < 64_000_000; ) sent += client.sendSome(pattern(65_536));
  } catch (error) {
    if (error instanceof SocketError && error.failure === "timeout") return client;
    throw error;
  }
  throw new Error("the relay took 64 MB for a server that reads nothing");
}

/** Wants less than a third of a processor used in three seconds. */
async function expectIdle(service: Service): Promise<void> {
  const before = processorSeconds(service);
  await Bun.sleep(3000);
  const used = processorSeconds(service) - before;
  if (used >= 1) throw new Error(`the daemon used ${used.toFixed(1)} s of processor time in 3 s`);
}

/** What ps tells as [[DD-]HH:]MM:SS[.hh], in seconds. */
function processorSeconds(service: Service): number {
  const text = run("ps", "-o", "time=", "-p", String(service.pid())).stdout.toString().trim();
  const [, days = "0", clock = ""] = /^(?:(\d+)-)?([\d:.]+)$/.exec(text) ?? [];
  if (clock === "") throw new Error(`ps does not know the daemon (it says "${text}")`);
  return clock.split(":").reduce((sum, part) => sum * 60 + Number(part), Number(days) * 24);
}

function descriptors(service: Service): number {
  const { stdout } = run("lsof", "-a", "-p", String(service.pid()), "-d", "0-65535", "-F", "f");
  return stdout.toString().match(/^f\d+$/gm)?.length ?? 0;
}
