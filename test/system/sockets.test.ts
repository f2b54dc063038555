import { dlopen } from "bun:ffi";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket, SocketHandler } from "bun";
import type { Address } from "../../src/address.ts";
import { systemConstants } from "../../src/system/libc.ts";
import { platform } from "../../src/system/platform.ts";
import { freeDescriptors } from "../../src/system/process.ts";
import { encodeAddress } from "../../src/system/sockaddr.ts";
import {
  bindListener,
  closeDescriptor,
  connectUnix,
  describe as describeDescriptor,
  duplicate,
  offeredWindow,
  peerUser,
  readableBytes,
  setKeepAlive,
  shutDownIfRead,
  unsentBytes,
} from "../../src/system/sockets.ts";
import { waitFor } from "../support/wait.ts";

const darwin = process.platform === "darwin";
const tcp = (host: string, port: number): Address => ({ kind: "tcp", host, port });
const { symbols: libc } = dlopen(darwin ? "/usr/lib/libSystem.B.dylib" : "libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
});

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "descriptor."));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("describe", () => {
  const use = <T>(fd: number, action: (fd: number) => T): T => {
    try {
      return action(fd);
    } finally {
      closeDescriptor(fd);
    }
  };
  const [AF_UNIX, AF_INET, SOCK_DGRAM, SOCK_RAW] = [1, 2, 2, 3];

  test("a listener of each family, with its address", () => {
    use(bindListener(tcp("127.0.0.1", 0), 1), (fd) => {
      expect(describeDescriptor(fd)).toEqual({
        kind: "listener",
        address: { kind: "tcp", host: "127.0.0.1", port: expect.any(Number) },
      });
    });
    use(bindListener(tcp("::1", 0), 1), (fd) => {
      expect(describeDescriptor(fd)).toMatchObject({ kind: "listener", address: { kind: "tcp", host: "::1" } });
    });
    const path = join(folder, "listener");
    use(bindListener({ kind: "unix", path }, 1), (fd) => {
      expect(describeDescriptor(fd)).toEqual({ kind: "listener", address: { kind: "unix", path } });
    });
  });

  const whatIs = (fd: number) => {
    const found = describeDescriptor(fd);
    return found.kind === "unusable" ? found.what : found.kind;
  };

  test("what is no listener", () => {
    expect(whatIs(use(openSync("/dev/null", "r"), (fd) => fd))).toBe("not a socket");
    use(openSync("/dev/null", "r"), (fd) => expect(whatIs(fd)).toBe("not a socket"));
    use(libc.socket(AF_INET, SOCK_DGRAM, 0), (fd) => {
      expect(describeDescriptor(fd)).toEqual({ kind: "datagram", address: tcp("0.0.0.0", 0) });
    });
    use(libc.socket(AF_UNIX, SOCK_DGRAM, 0), (fd) => expect(describeDescriptor(fd).kind).toBe("datagram"));
  });

  test.skipIf(darwin)("what is no listener, and only Linux has or tells", () => {
    use(libc.socket(AF_INET, systemConstants.SOCK_STREAM.linux, 0), (fd) => {
      expect(whatIs(fd)).toBe("a socket that does not listen (0.0.0.0:0)");
    });
    const [AF_NETLINK, SOCK_SEQPACKET] = [16, 5];
    use(libc.socket(AF_UNIX, SOCK_SEQPACKET, 0), (fd) => {
      expect(whatIs(fd)).toBe("neither a stream nor a datagram socket");
    });
    use(libc.socket(AF_NETLINK, SOCK_RAW, 0), (fd) => expect(whatIs(fd)).toBe("neither a TCP nor a Unix socket"));
  });

  test.skipIf(darwin)("an abstract Unix socket", () => {
    const name = `abstract-${process.pid}`;
    using server = Bun.listen({ unix: `\0${name}`, socket: { data() {} } });
    expect(describeDescriptor((server as unknown as { fd: number }).fd)).toEqual({
      kind: "listener",
      address: { kind: "unix", path: `@${name}` },
    });
  });
});

describe("bindListener", () => {
  const { EADDRINUSE, EADDRNOTAVAIL, ENOENT } = constants.errno;
  const errnoOf = (address: Address) => {
    try {
      closeDescriptor(bindListener(address, 1));
      return 0;
    } catch (error) {
      return (error as { errno: number }).errno;
    }
  };

  test("throws the system's errno, and leaves no descriptor behind", () => {
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const free = freeDescriptors();
    expect(errnoOf(tcp("127.0.0.1", taken.port))).toBe(EADDRINUSE);
    // 192.0.2.0/24 is for documentation (RFC 5737).
    expect(errnoOf(tcp("192.0.2.77", 0))).toBe(EADDRNOTAVAIL);
    expect(errnoOf({ kind: "unix", path: join(folder, "missing", "socket") })).toBe(ENOENT);
    expect(freeDescriptors()).toBe(free);
  });

  test("binds again at once where connections were just closed", async () => {
    const fd = bindListener(tcp("127.0.0.1", 0), 1);
    const found = describeDescriptor(fd);
    if (found.kind !== "listener" || found.address.kind !== "tcp") throw new Error("not bound");
    const { port } = found.address;
    const server = Bun.listen({ fd, socket: { open: (socket) => void socket.end(), data() {} } });
    const closed = Promise.withResolvers<void>();
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { close: () => closed.resolve(), data() {} },
    });
    await closed.promise;
    server.stop(true);
    expect(errnoOf(tcp("127.0.0.1", port))).toBe(0);
  });
});

describe("duplicate", () => {
  test("is another descriptor of the same socket", () => {
    const fd = bindListener(tcp("127.0.0.1", 0), 1);
    const copy = duplicate(fd);
    expect(copy).not.toBe(fd);
    const before = describeDescriptor(fd);
    closeDescriptor(fd);
    expect(describeDescriptor(copy)).toEqual(before);
    closeDescriptor(copy);
  });

  test("throws where there is nothing to duplicate", () => {
    expect(() => duplicate(-1)).toThrow(expect.objectContaining({ code: "EBADF" }));
  });
});

/** Both ends of a connection over `kind`; `handlers` are those of the end that has connected. The accepted one is paused. */
async function connection(kind: "tcp" | "unix", handlers: SocketHandler<undefined> = { data() {} }) {
  const fd = bindListener(kind === "tcp" ? tcp("127.0.0.1", 0) : { kind, path: join(folder, randomUUID()) }, 1);
  const { address } = describeDescriptor(fd) as { address: Address };
  const open = Promise.withResolvers<Socket<undefined>>();
  const server = Bun.listen<undefined>({ fd, allowHalfOpen: true, socket: { open: open.resolve, data() {} } });
  const options = { allowHalfOpen: true, socket: handlers, data: undefined };
  const connected =
    address.kind === "unix"
      ? await Bun.connect<undefined>({ ...options, unix: address.path })
      : await Bun.connect<undefined>({ ...options, hostname: address.host, port: address.port });
  const accepted = await open.promise;
  accepted.pause();
  return {
    connected,
    accepted,
    [Symbol.dispose]() {
      accepted.terminate();
      connected.terminate();
      server.stop();
    },
  };
}

/** Writes until the kernel takes no more. */
function fill(socket: Socket<undefined>): void {
  const chunk = Buffer.alloc(65_536);
  while (socket.write(chunk) === chunk.length);
}

describe("unsentBytes", () => {
  test.each(["tcp", "unix"] as const)(
    "counts what the peer has not taken over %s, where the system tells, and is 0 once it has",
    async (kind) => {
      using it = await connection(kind);
      const { connected: writer, accepted: reader } = it;
      expect(unsentBytes(writer.fd)).toBe(0);
      fill(writer);
      // macOS puts what is sent over a Unix socket straight into the peer's buffer.
      if (kind === "unix" && platform === "macos") expect(unsentBytes(writer.fd)).toBe(0);
      else expect(unsentBytes(writer.fd)).toBeGreaterThan(0);
      reader.resume();
      await waitFor("all to be taken", () => unsentBytes(writer.fd) === 0);
    },
  );

  test("is 0 for what is not a socket", () => {
    const fd = openSync("/dev/null", "r");
    expect(unsentBytes(fd)).toBe(0);
    closeSync(fd);
  });
});

describe("offeredWindow", () => {
  test("is what a TCP peer still takes: nothing once its kernel is full, and more again when it reads", async () => {
    using it = await connection("tcp");
    const { connected: writer, accepted: reader } = it;
    const window = offeredWindow(writer.fd);
    expect(window).toBeGreaterThan(8_192);
    fill(writer);
    await waitFor("it to be full", () => offeredWindow(writer.fd) < 8_192);
    reader.resume();
    await waitFor("it to be read", () => offeredWindow(writer.fd) >= window);
  });

  test("is 0 for a Unix socket", async () => {
    using it = await connection("unix");
    expect(offeredWindow(it.connected.fd)).toBe(0);
  });
});

test.each(["tcp", "unix"] as const)(
  "shutDownIfRead sends FIN over %s where nothing is unread, and else leaves the socket as it is",
  async (kind) => {
    let ended = false;
    let text = "";
    using it = await connection(kind, {
      data: (_, chunk) => {
        text += chunk;
      },
      end: () => {
        ended = true;
      },
    });
    const { connected: peer, accepted: ours } = it;
    peer.write("unread");
    await waitFor("the data to arrive", () => readableBytes(ours.fd) === 6);
    expect(shutDownIfRead(ours.fd)).toBe(false);
    expect(ours.write("still open")).toBe(10);
    await waitFor("the answer", () => text === "still open");
    ours.resume();
    await waitFor("the data to be read", () => readableBytes(ours.fd) === 0);
    expect(ended).toBe(false);
    expect(shutDownIfRead(ours.fd)).toBe(true);
    await waitFor("the end", () => ended);
  },
);

test.each([
  [60_000, 60],
  [1, 1],
  [10 ** 9, 32_767],
])("setKeepAlive(%p ms) probes after %p s, then each second, ten times", (idle, seconds) => {
  const fd = libc.socket(2, 1, 0);
  const option = (level: number, name: keyof typeof systemConstants) => {
    const value = new Int32Array(1);
    expect(libc.getsockopt(fd, level, systemConstants[name][platform], value, new Uint32Array([4]))).toBe(0);
    return value[0];
  };
  setKeepAlive(fd, idle);
  expect(option(systemConstants.SOL_SOCKET[platform], "SO_KEEPALIVE")).toBeGreaterThan(0);
  const level = systemConstants.IPPROTO_TCP[platform];
  const told = (["TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"] as const).map((name) => option(level, name));
  expect(told).toEqual([seconds, 1, 10]);
  closeDescriptor(fd);
});

describe("who is at the other end", () => {
  test("of a Unix socket is told on both ends, and of a TCP socket is not", async () => {
    const path = join(folder, "peer");
    const found: (number | undefined)[] = [];
    const listener = Bun.listen({
      unix: path,
      socket: { open: (socket) => void found.push(peerUser(socket.fd)), data() {} },
    });
    const fd = connectUnix(encodeAddress({ kind: "unix", path }, platform));
    await waitFor("the connection", () => found.length === 1);
    expect([peerUser(fd), ...found]).toEqual([process.geteuid?.(), process.geteuid?.()]);
    closeDescriptor(fd);
    listener.stop(true);
    const tcpListener = bindListener(tcp("127.0.0.1", 0), 1);
    expect(peerUser(tcpListener)).toBeUndefined();
    closeDescriptor(tcpListener);
  });
});
