import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenOnPath } from "../../src/activation/listen-path.ts";
import { maxSocketPath } from "../../src/address.ts";
import { UserError } from "../../src/errors.ts";
import { setLogLevel } from "../../src/log.ts";
import { lockFile } from "../../src/system/file-lock.ts";
import { freeDescriptors } from "../../src/system/process.ts";
import { bindListener, closeDescriptor } from "../../src/system/sockets.ts";

setLogLevel("warn");
const root = process.getuid?.() === 0;
const nobody = 65_534;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "listen-path."));
  path = join(folder, "socket");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A socket that nobody listens on, as a process that was killed leaves it. */
const leaveDead = (at = path) => closeDescriptor(bindListener({ kind: "unix", path: at }, 1));

/** Listens, does something and gives everything back; nothing is left then. */
const listening = async (action: () => unknown, at = path) => {
  const { fd, claim } = await listenOnPath(at, 16);
  try {
    await action();
  } finally {
    claim.release();
    closeDescriptor(fd);
  }
};

/** What is said of a path that is refused; the descriptors and what is there stay as they were. */
const refusal = async (at = path): Promise<string> => {
  const [free, files] = [freeDescriptors(), readdirSync(folder)];
  const message = await listenOnPath(at, 16).then(
    () => "none",
    (error) => (error instanceof UserError ? error.message : Promise.reject(error)),
  );
  expect([freeDescriptors(), readdirSync(folder)]).toEqual([free, files]);
  expect(message.startsWith(`cannot listen on ${at}: `)).toBe(true);
  return message.slice(`cannot listen on ${at}: `.length);
};

const connect = async (at = path) => {
  const socket = await Bun.connect({ unix: at, socket: { data() {} } });
  socket.end();
};

describe("listenOnPath", () => {
  test("makes the path and its lock, and removes both", async () => {
    await listening(async () => {
      expect(readdirSync(folder).sort()).toEqual(["socket", "socket.lock"]);
      await connect();
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("replaces a socket that nobody listens on", async () => {
    leaveDead();
    writeFileSync(`${path}.lock`, "");
    const dead = lstatSync(path);
    await listening(async () => {
      expect(lstatSync(path).ino).not.toBe(dead.ino);
      expect(readdirSync(folder).sort()).toEqual(["socket", "socket.lock"]);
      await connect();
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each(["s", "ss", "socket"])("also at a path of the greatest length, whose last part is %j", async (name) => {
    // Neither PATH.lock nor a longer name beside it would fit into a sun_path.
    const deep = join(folder, "d".repeat(maxSocketPath - Buffer.byteLength(folder) - 2 - name.length));
    mkdirSync(deep);
    const long = join(deep, name);
    expect(Buffer.byteLength(long)).toBe(maxSocketPath);
    leaveDead(long);
    await listening(() => connect(long), long);
    expect(readdirSync(deep)).toEqual([]);
  });

  test("a client that tries all the time finds a socket at the path, dead or listening", async () => {
    leaveDead();
    const codes = new Set<string>();
    let over = false;
    const tries = (async () => {
      while (!over) {
        const ended = connect().then(() => "served");
        codes.add(await ended.catch(({ code }) => code));
        // A refusal comes at once, and nothing else would have its turn.
        await Bun.sleep(0);
      }
    })();
    await listening(() => Bun.sleep(50));
    over = true;
    await tries;
    codes.delete("ENOENT"); // After the release.
    expect([...codes].sort()).toEqual(["ECONNREFUSED", "served"]);
  });

  test("while it is locked nobody else listens there, whatever a connection says", async () => {
    leaveDead();
    const lock = lockFile(`${path}.lock`);
    expect(await refusal()).toBe("a launch_socket_server listens there already; end it or choose another path");
    lock?.release();
  });

  test("two at once: one wins", async () => {
    leaveDead();
    const both = await Promise.allSettled([listenOnPath(path, 16), listenOnPath(path, 16)]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    await connect();
    for (const result of both) {
      if (result.status !== "fulfilled") continue;
      result.value.claim.release();
      closeDescriptor(result.value.fd);
    }
  });

  test("a server that does not lock is left alone", async () => {
    using _server = Bun.listen({ unix: path, socket: { data() {} } });
    expect(await refusal()).toBe("a server listens there already; end it or choose another path");
    await connect();
  });

  test.skipIf(process.platform !== "linux")("so is one whose queue is full", async () => {
    const fd = bindListener({ kind: "unix", path }, 0);
    const clients = [await Bun.connect({ unix: path, socket: { data() {} } })];
    expect(await refusal()).toBe("a server listens there already; end it or choose another path");
    for (const client of clients) client.terminate();
    closeDescriptor(fd);
  });

  test("so is one that begins to listen while it is tried", async () => {
    leaveDead();
    const refused = listenOnPath(path, 16).catch(({ message }) => message);
    await Bun.sleep(100);
    rmSync(path);
    using _server = Bun.listen({ unix: path, socket: { data() {} } });
    expect(await refused).toBe(
      `cannot listen on ${path}: a server listens there already; end it or choose another path`,
    );
    await connect();
  });

  test("a path that goes meanwhile is free", async () => {
    leaveDead();
    const started = listening(() => connect());
    await Bun.sleep(100);
    rmSync(path);
    await started;
  });

  test("what is not a socket is left alone: a file, a folder, a link", async () => {
    writeFileSync(path, "data");
    const noSocket = "the file is there already and is not a socket; remove it or choose another path";
    expect(await refusal()).toBe(noSocket);
    rmSync(path);
    mkdirSync(path);
    expect(await refusal()).toBe(noSocket);
    rmSync(path, { recursive: true });
    leaveDead(`${path}.target`);
    symlinkSync(`${path}.target`, path);
    expect(await refusal()).toBe("it is a link; remove it or choose another path");
  });

  test.skipIf(!root)("so is a socket of another user's, also for root", async () => {
    leaveDead();
    chownSync(path, nobody, nobody);
    expect(await refusal()).toBe("the socket belongs to another user; remove it or choose another path");
  });

  test("a lock that is not a file of this user's is refused", async () => {
    const sentence = `its lock ${path}.lock is not a plain file of this user's; remove it or choose another path`;
    symlinkSync(join(folder, "elsewhere"), `${path}.lock`);
    expect(await refusal()).toBe(sentence);
    rmSync(`${path}.lock`);
    mkdirSync(`${path}.lock`);
    expect(await refusal()).toBe(sentence);
    if (!root) return;
    rmSync(`${path}.lock`, { recursive: true });
    writeFileSync(`${path}.lock`, "");
    chownSync(`${path}.lock`, nobody, nobody);
    expect(await refusal()).toBe(sentence);
  });

  test("a socket that another server has put at the path since is not removed", async () => {
    const { fd, claim } = await listenOnPath(path, 16);
    rmSync(path);
    using _server = Bun.listen({ unix: path, socket: { data() {} } });
    claim.release();
    closeDescriptor(fd);
    await connect();
    expect(existsSync(`${path}.lock`)).toBe(false);
  });
});
