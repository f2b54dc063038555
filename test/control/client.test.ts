import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask, askStatus, NoAnswer } from "../../src/control/client.ts";
import { folderOf, makeFolder, socketIn } from "../../src/control/folder.ts";
import { ControlServer } from "../../src/control/server.ts";
import { userOf } from "../../src/system/process.ts";
import { account } from "../service/status/fixture.ts";
import { Command } from "../support/command.ts";
import { waitFor } from "../support/wait.ts";

const uid = process.geteuid?.() ?? 0;
const request = { command: "status" } as const;
let parent: string;
let folder: string;
let path: string;
const cleanUps: (() => void)[] = [];
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "control-"));
  folder = folderOf(uid, parent);
  path = socketIn(folder, process.pid);
});
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
  rmSync(parent, { recursive: true });
});

/** Why there is no answer. */
async function refusal(pid: number): Promise<[NoAnswer["kind"], string]> {
  try {
    await ask(pid, request, { parent });
  } catch (error) {
    if (error instanceof NoAnswer) return [error.kind, error.message];
    throw error;
  }
  throw new Error("there is an answer");
}

/** Something else than a daemon listens at the place of this process. */
async function listen(connected: (socket: Socket) => void): Promise<Server> {
  makeFolder(folder, uid);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    connected(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  cleanUps.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return server;
}

test("the answer of the process's daemon", async () => {
  const server = ControlServer.open(
    (asked) => ({ asked }),
    () => {},
    folder,
  );
  cleanUps.push(() => server?.close());
  expect(await ask(process.pid, request, { parent })).toEqual({ asked: request });
  const many = await Promise.all(Array.from({ length: 8 }, () => ask(process.pid, request, { parent })));
  expect(many).toEqual(new Array(8).fill({ asked: request }));
});

test("an account of another process is not believed", async () => {
  const server = ControlServer.open(
    () => account({ pid: process.pid + 1 }),
    () => {},
    folder,
  );
  cleanUps.push(() => server?.close());
  const error = await askStatus(process.pid, { parent }).catch((error) => error);
  expect(error).toBeInstanceOf(NoAnswer);
  expect([error.kind, error.message]).toEqual([
    "distrusted",
    `process ${process.pid} gives the account of another process, ${process.pid + 1}`,
  ]);
});

describe("there is none", () => {
  test("of a process that there is not", async () => {
    const child = Bun.spawn(["true"]);
    await child.exited;
    expect(await refusal(child.pid)).toEqual(["no process", `there is no process ${child.pid}`]);
  });

  test("of a process that is no daemon", async () => {
    const [kind, why] = await refusal(process.pid);
    expect(kind).toBe("no socket");
    expect(why).toStartWith(
      `process ${process.pid} cannot be asked: ${folder} cannot be looked at (ENOENT); it does not run`,
    );
    makeFolder(folder, uid);
    expect((await refusal(process.pid))[1]).toStartWith(
      `process ${process.pid} cannot be asked: there is no ${path}; it does`,
    );
  });

  test("where the daemon refuses", async () => {
    await listen((socket) => socket.end('{"error":"it is Sunday"}\n'));
    expect(await refusal(process.pid)).toEqual(["refused", `process ${process.pid} refuses: it is Sunday`]);
  });

  test("where something else answers, or ends, or never ends", async () => {
    const answers = ["hello\n", "[1]\n", "", "x".repeat(1_100_000)];
    await listen((socket) => socket.end(answers.shift() ?? ""));
    for (const what of [
      "answers with something that is not",
      "answers with something",
      "ends without",
      "answers without an end",
    ]) {
      const [kind, why] = await refusal(process.pid);
      expect([kind, why]).toEqual(["silent", expect.stringContaining(what)]);
    }
  });

  test("within a second, where nobody answers", async () => {
    await listen(() => {});
    const started = performance.now();
    expect(await refusal(process.pid)).toEqual([
      "silent",
      `process ${process.pid} does not answer within 1 s; try again`,
    ]);
    expect(performance.now() - started).toBeWithin(900, 2_000);
  });

  test("of a status that lacks something", async () => {
    await listen((socket) => socket.end('{"version":"9.0.0"}\n'));
    expect(askStatus(process.pid, { parent })).rejects.toThrow("is of another version");
  });
});

describe("a folder that is not the user's alone", () => {
  test("is not believed, nor is a link to one that is", async () => {
    await listen((socket) => socket.end('{"lie":true}\n'));
    const elsewhere = join(parent, "elsewhere");
    await Bun.$`mv ${folder} ${elsewhere}`;
    symlinkSync(elsewhere, folder);
    expect(await refusal(process.pid)).toEqual(["distrusted", expect.stringContaining(`${folder} is a link`)]);
    rmSync(folder);
    await Bun.$`mv ${elsewhere} ${folder} && chmod 711 ${folder}`;
    expect(await refusal(process.pid)).toEqual(["distrusted", expect.stringContaining("does not have mode 0700")]);
  });
});

/** A process of another user, as root asks for it; needs util-linux. */
describe.skipIf(uid !== 0)("another user's process (as root)", () => {
  const other = 12_345;
  let theirs: { pid: number; folder: string; path: string };
  beforeEach(() => {
    const sleeper = new Command(["setpriv", `--reuid=${other}`, "--clear-groups", "sleep", "100"]);
    cleanUps.push(() => void sleeper[Symbol.asyncDispose]());
    const { pid } = sleeper;
    chmodSync(parent, 0o755);
    const folder = folderOf(other, parent);
    mkdirSync(folder, { mode: 0o700 });
    chownSync(folder, other, other);
    theirs = { pid, folder, path: socketIn(folder, pid) };
  });
  const untilItIsTheirs = () => waitFor("setpriv", () => userOf(theirs.pid) === other);

  test("is believed only where a process of that user listens: what is there may be a link to another's socket", async () => {
    let asked = 0;
    await listen((socket) => {
      socket.on("data", () => asked++);
      socket.end('{"lie":true}\n');
    });
    symlinkSync(path, theirs.path);
    await untilItIsTheirs();
    expect(await refusal(theirs.pid)).toEqual([
      "distrusted",
      `another user listens at ${theirs.path} in the place of process ${theirs.pid}`,
    ]);
    expect(asked).toBe(0);
    writeFileSync(join(parent, "answer"), '{"well":true}\n');
    await using server = new Command([
      ...["setpriv", `--reuid=${other}`, "--clear-groups"],
      ...["socat", `UNIX-LISTEN:${theirs.path},fork,unlink-early`, `SYSTEM:cat ${join(parent, "answer")}`],
    ]);
    // The path is there a moment before socat listens.
    const answer = await waitFor(
      () => `socat: ${server.stderr}`,
      () => ask(theirs.pid, request, { parent }).catch(() => null),
    );
    expect(answer).toEqual({ well: true });
  });

  test("a folder of theirs in the place of ours is not believed", async () => {
    mkdirSync(folder, { mode: 0o700 });
    chownSync(folder, other, other);
    expect(await refusal(process.pid)).toEqual([
      "distrusted",
      expect.stringContaining(`${folder} belongs to another user`),
    ]);
  });
});
