import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderOf, socketIn } from "../../src/control/folder.ts";
import { type Answer, ControlServer, controlDescriptors } from "../../src/control/server.ts";
import { Client } from "../support/client.ts";
import { waitFor } from "../support/wait.ts";

const uid = process.geteuid?.() ?? 0;
const status = '{"command":"status"}\n';
let parent: string;
let folder: string;
let path: string;
let servers: ControlServer[];
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "control-"));
  folder = folderOf(uid, parent);
  path = socketIn(folder, process.pid);
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close();
  rmSync(parent, { recursive: true });
});

function open(answer: Answer = () => ({ well: true })): ControlServer {
  const lines: string[] = [];
  const server = ControlServer.open(answer, (line) => lines.push(line), folder);
  expect(lines).toEqual([]);
  if (server === null) throw new Error("it did not open");
  servers.push(server);
  return server;
}

const connect = () => Client.open({ kind: "unix", path });
const openDescriptors = () => readdirSync("/dev/fd").length;

/** The answer to what is sent. */
async function answerTo(text: string): Promise<string> {
  using client = await connect();
  await client.send(text).over();
  return client.text;
}

test("answers a line with a line, and ends the connection", async () => {
  open((request) => ({ asked: request }));
  expect(await answerTo(status)).toBe('{"asked":{"command":"status"}}\n');
  expect(await answerTo(`${status}${status}`)).toBe('{"asked":{"command":"status"}}\n');
});

test("a request may come in pieces", async () => {
  open();
  using client = await connect();
  for (const piece of ['{"command"', ':"status', '"}']) {
    client.send(piece);
    await Bun.sleep(20);
  }
  expect(client.received).toBe(0);
  await client.send("\n").over();
  expect(client.text).toBe('{"well":true}\n');
});

test("an answer that does not fit into the socket's buffer arrives whole", async () => {
  const text = "x".repeat(600_000);
  open(() => ({ text }));
  using client = await connect();
  await client.send(status).over();
  expect(client.received).toBe(JSON.stringify({ text }).length + 1);
});

test("what it does not know, and what makes the answer fail, is an error in words", async () => {
  open(() => {
    throw new Error("the moon is full");
  });
  expect(await answerTo("hello\n")).toBe('{"error":"the request is not one that this version knows"}\n');
  expect(await answerTo('{"command":"dance"}\n')).toBe('{"error":"the request is not one that this version knows"}\n');
  expect(await answerTo(status)).toBe('{"error":"the daemon cannot answer (the moon is full)"}\n');
});

test("4 KiB without a newline are not waited for any longer, and a request that is too long is none", async () => {
  open();
  const known = '{"command":"status"}';
  expect(await answerTo("x".repeat(4_096))).toContain('{"error":');
  expect(await answerTo(`${" ".repeat(4_096 - known.length)}${known}\n`)).toContain('{"error":');
  expect(await answerTo(`${" ".repeat(4_095 - known.length)}${known}\n`)).toBe('{"well":true}\n');
  expect(await answerTo("x".repeat(1_000_000))).toContain('{"error":');
});

test("who says nothing is dropped after a second, and half a question gets no answer", async () => {
  open();
  const started = performance.now();
  using silent = await connect();
  using half = await connect();
  half.send('{"command":').shutdown();
  await half.over();
  expect(half.received).toBe(0);
  expect(performance.now() - started).toBeLessThan(900);
  await silent.over();
  expect(performance.now() - started).toBeGreaterThan(900);
  expect(silent.received).toBe(0);
});

test("who does not read its answer is dropped after a second", async () => {
  open(() => ({ text: "x".repeat(8_000_000) }));
  const before = openDescriptors();
  using client = await Client.open({ kind: "unix", path }, { reading: false });
  client.send(status);
  await waitFor("it to be heard", () => openDescriptors() > before + 1);
  // The client's own descriptor stays.
  await waitFor("it to be dropped", () => openDescriptors() <= before + 1, 3_000);
});

test("four are heard at a time, others wait, and no more descriptors are open than it says", async () => {
  const before = openDescriptors();
  open();
  const silent = await Promise.all(Array.from({ length: 4 }, connect));
  using fifth = await connect();
  fifth.send(status);
  /** The server's; of each client both ends are in this process. */
  const descriptors = () => openDescriptors() - before - 5;
  await waitFor("four to be accepted, and the duplicate that accepts to be closed", () => descriptors() === 1 + 4);
  await Bun.sleep(300);
  expect(fifth.received).toBe(0);
  expect(descriptors()).toBeLessThanOrEqual(controlDescriptors);
  silent[0]?.close();
  await fifth.over();
  expect(fifth.text).toBe('{"well":true}\n');
  for (const client of silent) client[Symbol.dispose]();
});

test("no timer runs while nobody asks, nor once they have gone", async () => {
  const running = new Set<unknown>();
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const timers = [
    spyOn(globalThis, "setTimeout").mockImplementation(((action: () => void, delay: number) => {
      const timer = set(() => {
        running.delete(timer);
        action();
      }, delay);
      running.add(timer);
      return timer;
    }) as typeof setTimeout),
    spyOn(globalThis, "clearTimeout").mockImplementation((timer) => {
      running.delete(timer);
      clear(timer as Timer);
    }),
  ];
  try {
    open();
    expect(running.size).toBe(0);
    for (let asked = 1; asked <= 6; asked++) expect(await answerTo(status)).toBe('{"well":true}\n');
    // After four of them there was a rest.
    expect(timers[0]?.mock.calls.map(([, delay]) => delay)).toContain(100);
    await waitFor("the last exchange to end", () => running.size === 0);
  } finally {
    for (const timer of timers) timer.mockRestore();
  }
});

test("whoever asks without end is answered some forty times a second", async () => {
  open();
  const end = performance.now() + 1_000;
  let answers = 0;
  const client = async () => {
    while (performance.now() < end) {
      try {
        if ((await answerTo(status)) === '{"well":true}\n') answers++;
      } catch {
        // The queue is full.
        await Bun.sleep(1);
      }
    }
  };
  await Promise.all(Array.from({ length: 6 }, client));
  expect(answers).toBeWithin(4, 60);
});

describe("its file", () => {
  test("is in a folder that nobody else can enter, and is removed when it closes", () => {
    const server = open();
    expect(existsSync(path)).toBe(true);
    server.close();
    expect(readdirSync(folder)).toEqual([]);
    server.close();
  });

  test("takes the place of one that an earlier process with this id has left", async () => {
    open().close();
    writeFileSync(path, "");
    open();
    expect(await answerTo(status)).toBe('{"well":true}\n');
  });

  test("who is asking when it closes is dropped", async () => {
    const server = open();
    using client = await connect();
    await Bun.sleep(50);
    server.close();
    await client.over(500);
    expect(client.received).toBe(0);
  });
});

describe("where it cannot be opened, one line says why, nothing is thrown and no descriptor is left", () => {
  const problemOf = () => {
    const lines: string[] = [];
    const before = openDescriptors();
    expect(
      ControlServer.open(
        () => ({}),
        (line) => lines.push(line),
        folder,
      ),
    ).toBeNull();
    expect(openDescriptors()).toBe(before);
    return lines;
  };

  test("the folder is not ours alone", () => {
    open().close();
    chmodSync(folder, 0o755);
    expect(problemOf()).toEqual([
      `--status will have no figures for this process: ${folder} does not have mode 0700; correct that, or remove it`,
    ]);
  });

  test("the folder is a file", () => {
    writeFileSync(folder, "");
    expect(problemOf()).toEqual([
      `--status will have no figures for this process: ${folder} is not a folder; remove it`,
    ]);
  });

  test("a folder is where the socket should be", async () => {
    open().close();
    await Bun.$`mkdir ${path}`;
    expect(problemOf()).toEqual([
      `--status will have no figures for this process: ${path} cannot be bound (EADDRINUSE)`,
    ]);
  });
});
