import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { lookup } from "node:dns/promises";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BoundSocket, bindAddresses, releasePaths } from "../../src/activation/standalone.ts";
import { formatAddress, parseAddress } from "../../src/address.ts";
import { UserError } from "../../src/errors.ts";
import { freeDescriptors } from "../../src/system/process.ts";
import { closeDescriptor, describe as describeDescriptor } from "../../src/system/sockets.ts";
import { freePort } from "../support/ports.ts";

const parse = (text: string) => parseAddress(text, { portZero: true });

let folder: string;
const bound: BoundSocket[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "standalone."));
});
afterEach(() => {
  releasePaths(bound);
  for (const { fd } of bound.splice(0)) closeDescriptor(fd);
  rmSync(folder, { recursive: true });
});

const bind = async (...texts: string[]): Promise<string[]> => {
  bound.push(...(await bindAddresses(texts.map(parse))));
  for (const { fd, address } of bound) expect(describeDescriptor(fd)).toEqual({ kind: "listener", address });
  return bound.map(({ address }) => formatAddress(address));
};
/** What is said of addresses that cannot be bound. */
const refusal = (...texts: string[]): Promise<string> =>
  bind(...texts).then(
    () => "none",
    (error) => (error instanceof UserError ? error.message : Promise.reject(error)),
  );

describe("bindAddresses", () => {
  test("binds IPv4, IPv6 and Unix addresses, in order", async () => {
    const path = join(folder, "socket");
    const addresses = await bind("127.0.0.1:0", "[::1]:0", path);
    expect(addresses).toEqual([
      expect.stringMatching(/^127\.0\.0\.1:[1-9]\d*$/),
      expect.stringMatching(/^\[::1\]:[1-9]\d*$/),
      path,
    ]);
    expect(statSync(path).isSocket()).toBe(true);
  });

  test("no host is 127.0.0.1: trying things out does not open a port to the network", async () => {
    expect(await bind(":0")).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)]);
  });

  test("every address of a host name is bound", async () => {
    const found = (await lookup("localhost", { all: true })).map(({ address }) => address);
    await bind("localhost:0");
    const hosts = bound.map(({ address }) => (address.kind === "tcp" ? address.host : ""));
    expect(hosts.sort()).toEqual([...new Set(found)].sort());
  });

  test("what is bound accepts connections", async () => {
    const [text = ""] = await bind("127.0.0.1:0");
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: Number(text.split(":")[1]),
      socket: { data() {} },
    });
    socket.terminate();
  });

  test("failures are sentences that name the address as it was given", async () => {
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const used = `127.0.0.1:${taken.port}`;
    expect(await refusal(used)).toBe(
      `cannot listen on ${used}: the address is in use; choose another or end what uses it`,
    );
    // 192.0.2.0/24 is for documentation (RFC 5737).
    expect(await refusal("192.0.2.77:0")).toBe("cannot listen on 192.0.2.77:0: it is not an address of this machine");
    const missing = join(folder, "missing", "socket");
    expect(await refusal(missing)).toBe(`cannot listen on ${missing}: its folder does not exist`);
    expect(await refusal("no-such-host.invalid:80")).toMatch(
      /^cannot listen on no-such-host\.invalid:80: the host is unknown \(.+\)$/,
    );
  });

  test("an address that is given twice, in whatever words, is said to be", async () => {
    const port = freePort();
    for (const [first, again] of [
      ["127.0.0.1", ""],
      ["127.0.0.1", "localhost"],
      // BSD's SO_REUSEADDR lets both be bound.
      ...(process.platform === "linux" ? [["0.0.0.0", "127.0.0.1"]] : []),
    ]) {
      expect(await refusal(`${first}:${port}`, `${again}:${port}`)).toBe(
        `cannot listen on ${again || "localhost"}:${port}: another --listen has it already (${first}:${port}); leave one of them out`,
      );
    }
    const path = join(folder, "socket");
    expect(await refusal(path, `${folder}//socket`)).toBe(
      `cannot listen on ${folder}//socket: another --listen has it already (${path}); leave one of them out`,
    );
  });

  /** Does something without root's rights. */
  const unprivileged = async <T>(action: () => Promise<T>): Promise<T> => {
    const nobody = 65_534;
    process.seteuid?.(nobody);
    try {
      return await action();
    } finally {
      process.seteuid?.(0);
    }
  };

  const lowPortsArePrivileged = (): boolean => {
    const setting = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    return process.getuid?.() === 0 && existsSync(setting) && Number(readFileSync(setting, "utf8")) > 1;
  };
  test.skipIf(!lowPortsArePrivileged())("a low port needs rights, and the sentence says whose", async () => {
    expect(await unprivileged(() => refusal("127.0.0.1:1"))).toBe(
      "cannot listen on 127.0.0.1:1: permission denied; a port under 1024 needs launchd, systemd or root",
    );
  });

  test("a path's failures are a path's", async () => {
    const path = join(folder, "socket");
    await bind(path);
    expect(await refusal(path)).toBe(
      `cannot listen on ${path}: a launch_socket_server listens there already; end it or choose another path`,
    );
    expect(await refusal(join(path, "socket"))).toBe(
      `cannot listen on ${join(path, "socket")}: its folder does not exist`,
    );
  });

  test.skipIf(process.getuid?.() !== 0)("a folder of somebody else's", async () => {
    const path = join(folder, "socket");
    expect(await unprivileged(() => refusal(path))).toBe(
      `cannot listen on ${path}: permission denied; choose a folder that this user may write to`,
    );
  });

  test("all or nothing: when one cannot be bound, the others are given back", async () => {
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const path = join(folder, "socket");
    const free = freeDescriptors();
    expect(await refusal(path, "127.0.0.1:0", `127.0.0.1:${taken.port}`)).toMatch(/is in use/);
    expect(freeDescriptors()).toBe(free);
    expect(readdirSync(folder)).toEqual([]);
    expect(await refusal(path, "no-such-host.invalid:80")).toMatch(/host is unknown/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("releasePaths", () => {
  test("removes Unix paths and their locks, also twice, and knows nothing of TCP", async () => {
    await bind(join(folder, "socket"), "127.0.0.1:0");
    expect(readdirSync(folder).sort()).toEqual(["socket", "socket.lock"]);
    releasePaths(bound);
    expect(readdirSync(folder)).toEqual([]);
    releasePaths(bound);
  });
});
