import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import fc from "fast-check";
import type { Address } from "../../src/address.ts";
import { ipv6Bytes } from "../../src/system/ip.ts";
import type { Platform } from "../../src/system/platform.ts";
import { decodeAddress, encodeAddress } from "../../src/system/sockaddr.ts";
import { check } from "../support/property.ts";

const platforms: Platform[] = ["linux", "macos"];
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const tcp = (host: string, port: number): Address => ({ kind: "tcp", host, port });
const unix = (path: string): Address => ({ kind: "unix", path });

/** Written by hand from ip(7), ipv6(7), unix(7), and from xnu's bsd/netinet/in.h, bsd/netinet6/in6.h, bsd/sys/un.h. */
const known: [Platform, Address, number, string][] = [
  ["linux", tcp("127.0.0.1", 80), 2, "0200 0050 7f000001 0000000000000000"],
  ["macos", tcp("127.0.0.1", 80), 2, "1002 0050 7f000001 0000000000000000"],
  ["linux", tcp("::1", 8000), 10, "0a00 1f40 00000000 00000000000000000000000000000001 00000000"],
  ["macos", tcp("::1", 8000), 30, "1c1e 1f40 00000000 00000000000000000000000000000001 00000000"],
  ["linux", tcp("2001:db8::ff00:42:8329", 443), 10, "0a00 01bb 00000000 20010db8000000000000ff0000428329 00000000"],
  ["macos", tcp("2001:db8::ff00:42:8329", 443), 30, "1c1e 01bb 00000000 20010db8000000000000ff0000428329 00000000"],
  ["linux", unix("/a"), 1, "0100 2f61 00"],
  ["macos", unix("/a"), 1, "0501 2f61 00"],
];

describe("sockaddr", () => {
  test.each(known)("%s: %j has the system's bytes", (platform, address, family, hex) => {
    const encoded = encodeAddress(address, platform);
    expect(encoded.family).toBe(family);
    expect(Buffer.from(encoded.name).toString("hex")).toBe(hex.replaceAll(" ", ""));
    expect(decodeAddress(encoded.name, platform)).toEqual(address);
  });

  test("an empty host is bound on 127.0.0.1", () => {
    for (const platform of platforms) {
      expect(encodeAddress(tcp("", 80), platform)).toEqual(encodeAddress(tcp("127.0.0.1", 80), platform));
    }
  });

  test("a path may fill sun_path without a NUL behind it", () => {
    expect(decodeAddress(bytes("0100 2f6162"), "linux")).toEqual(unix("/ab"));
    expect(decodeAddress(bytes("0501 2f6162"), "macos")).toEqual(unix("/ab"));
    // macOS pads to the whole structure.
    expect(decodeAddress(bytes(`6a01 2f6162 ${"00".repeat(101)}`), "macos")).toEqual(unix("/ab"));
  });

  test("an unnamed Unix socket has an empty path", () => {
    expect(decodeAddress(bytes("0100"), "linux")).toEqual(unix(""));
    expect(decodeAddress(bytes("1001 0000000000000000000000000000"), "macos")).toEqual(unix(""));
  });

  test("an abstract Unix socket is written as systemd writes it, with an @", () => {
    expect(decodeAddress(bytes("0100 00 6162"), "linux")).toEqual(unix("@ab"));
    expect(decodeAddress(bytes("0100 00 61 00 62"), "linux")).toEqual(unix("@a@b"));
  });

  test("whatever bytes there are: an address, or none", () => {
    check(
      fc.property(fc.constantFrom(...platforms), fc.uint8Array({ maxLength: 128 }), (platform, bytes) => {
        const address = decodeAddress(bytes, platform);
        if (address?.kind === "tcp") expect(isIP(address.host)).not.toBe(0);
      }),
      1_000,
    );
    for (const platform of platforms) {
      for (const family of [1, 2, 10, 30]) {
        for (let length = 0; length < 32; length++) {
          const header = platform === "macos" ? [length, family] : [family, 0];
          decodeAddress(Uint8Array.from([...header, ...new Array(30).fill(1)].slice(0, length)), platform);
        }
      }
    }
  });

  test("other families are no address", () => {
    // AF_VSOCK and AF_NETLINK; AF_INET6 of the other system.
    for (const hex of ["2800 0000 00000000", "1000 0000 00000000", "1e00 0050"]) {
      expect(decodeAddress(bytes(hex), "linux")).toBeUndefined();
    }
    expect(decodeAddress(bytes("1c0a 0050"), "macos")).toBeUndefined();
  });

  const port = fc.integer({ min: 0, max: 65535 });
  test("TCP addresses survive encoding and decoding, on both systems", () => {
    check(
      fc.property(fc.constantFrom(...platforms), fc.oneof(fc.ipV4(), fc.ipV6()), port, (platform, host, port) => {
        const { name, family } = encodeAddress(tcp(host, port), platform);
        expect(name.length).toBe(family === 2 ? 16 : 28);
        const decoded = decodeAddress(name, platform);
        if (family === 2) return expect(decoded).toEqual(tcp(host, port));
        // IPv6 comes back in one spelling of its own.
        const spelling = decoded?.kind === "tcp" ? decoded.host : "";
        expect(ipv6Bytes(spelling)).toEqual(ipv6Bytes(host));
        expect(decoded).toEqual(tcp(spelling, port));
      }),
      500,
    );
  });

  test("paths survive encoding and decoding, on both systems", () => {
    const path = fc.string({ unit: "grapheme", minLength: 1, maxLength: 25 }).filter((text) => !text.includes("\0"));
    check(
      fc.property(fc.constantFrom(...platforms), path, (platform, path) => {
        expect(decodeAddress(encodeAddress(unix(path), platform).name, platform)).toEqual(unix(path));
      }),
    );
  });

  test("all spellings of an IPv6 address have the same 16 bytes", () => {
    const word = fc.integer({ min: 0, max: 0xffff });
    check(
      fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), (words) => {
        const expected = words.flatMap((word) => [word >> 8, word & 0xff]);
        const full = words.map((word) => word.toString(16).padStart(4, "0").toUpperCase()).join(":");
        const dotted = `${full.split(":").slice(0, 6).join(":")}:${expected.slice(12).join(".")}`;
        const canonical = new URL(`http://[${full}]`).hostname.slice(1, -1);
        for (const spelling of [full, full.toLowerCase(), dotted, canonical, `${full}%en0`]) {
          expect(ipv6Bytes(spelling)).toEqual(expected);
        }
      }),
    );
    expect(ipv6Bytes("::")).toEqual(new Array(16).fill(0));
    expect(ipv6Bytes("1:2:3:4:5:6:7::")).toEqual([0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0]);
    expect(ipv6Bytes("::ffff:1.2.3.4").slice(10)).toEqual([255, 255, 1, 2, 3, 4]);
  });
});
