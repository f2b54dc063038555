import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "../../src/address.ts";
import { findOwnListener } from "../../src/proxy/forwarding-loop.ts";

const tcp = (host: string, port = 80): Address => ({ kind: "tcp", host, port });
const unix = (path: string): Address => ({ kind: "unix", path });
const find = (target: Address, ...served: Address[]) =>
  findOwnListener(
    target,
    served.map((address) => ({ address })),
  );
const mine = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .filter(({ internal, family }) => !internal && family === "IPv4")
  .map(({ address }) => address);

describe("findOwnListener", () => {
  const loops: [string, Address, Address][] = [
    ["the same address", tcp("127.0.0.1"), tcp("127.0.0.1")],
    ["the same address in another spelling", tcp("0:0:0:0:0:0:0:1"), tcp("::1")],
    ["IPv4 written as IPv6", tcp("::ffff:127.0.0.1"), tcp("127.0.0.1")],
    ["IPv4 that a socket of both families serves", tcp("127.0.0.1"), tcp("::ffff:127.0.0.1")],
    ["a zone does not matter", tcp("fe80::1%lo0"), tcp("fe80::1")],
    ["no host: IPv4", tcp(""), tcp("127.0.0.1")],
    ["no host: IPv6", tcp(""), tcp("::1")],
    ["a name", tcp("localhost"), tcp("127.0.0.1")],
    ["loopback behind the wildcard", tcp("127.0.0.1"), tcp("0.0.0.0")],
    ["another loopback address behind the wildcard", tcp("127.1.2.3"), tcp("0.0.0.0")],
    ["IPv6 loopback behind the wildcard", tcp("::1"), tcp("::")],
    ["IPv4 behind the IPv6 wildcard, which may serve both", tcp("127.0.0.1"), tcp("::")],
    ["both wildcards", tcp("0.0.0.0"), tcp("0.0.0.0")],
    ["the IPv4 wildcard as a target is loopback", tcp("0.0.0.0"), tcp("127.0.0.1")],
    ["the IPv6 wildcard as a target is loopback", tcp("::"), tcp("::1")],
    ...mine.map((host): [string, Address, Address] => ["an address of this machine", tcp(host), tcp("0.0.0.0")]),
  ];
  test.each(loops)("%s: %j comes back to %j", async (_, target, served) => {
    expect(await find(target, tcp("192.0.2.77"), served)).toEqual(served);
  });

  const roads: [string, Address, Address][] = [
    ["another port", tcp("127.0.0.1", 8000), tcp("127.0.0.1")],
    ["another loopback address", tcp("127.0.0.2"), tcp("127.0.0.1")],
    ["the other family", tcp("::1"), tcp("127.0.0.1")],
    ["the other family behind the wildcard", tcp("::1"), tcp("0.0.0.0")],
    ["another machine behind the wildcard", tcp("192.0.2.77"), tcp("0.0.0.0")],
    ["a name that nobody knows", tcp("no-such-host.invalid"), tcp("0.0.0.0")],
    ["a Unix socket and a port", unix("/tmp/server.sock"), tcp("127.0.0.1")],
    ["a port and a Unix socket", tcp("127.0.0.1"), unix("/tmp/server.sock")],
  ];
  test.each(roads)("%s: %j does not come back to %j", async (_, target, served) => {
    expect(await find(target, served)).toBeUndefined();
  });

  describe("Unix sockets", () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "loop."));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    test("the same path, also through a link and dots", async () => {
      const path = join(folder, "served");
      using _ = Bun.listen({ unix: path, socket: { data() {} } });
      symlinkSync(path, join(folder, "link"));
      for (const target of [path, join(folder, "link"), `${folder}/./served`]) {
        expect(await find(unix(target), unix(path))).toEqual(unix(path));
      }
    });

    test("a path that is not there yet is the program's", async () => {
      expect(await find(unix(join(folder, "later")), unix(join(folder, "served")))).toBeUndefined();
    });
  });
});
