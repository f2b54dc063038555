import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import fc from "fast-check";
import {
  type Address,
  formatAddress,
  maxSocketPath,
  parseAddress,
  parsePort,
  parseSocketPath,
  parseTcpAddress,
  type TcpAddress,
} from "../src/address.ts";
import { UserError } from "../src/errors.ts";
import { anyText, check } from "./support/property.ts";

const tcp = (host: string, port: number): TcpAddress => ({ kind: "tcp", host, port });

describe("parseTcpAddress", () => {
  const good: [string, TcpAddress][] = [
    ["localhost:8000", tcp("localhost", 8000)],
    ["127.0.0.1:80", tcp("127.0.0.1", 80)],
    ["[::1]:8000", tcp("::1", 8000)],
    ["[fe80::1%en0]:80", tcp("fe80::1%en0", 80)],
    ["[::ffff:127.0.0.1]:80", tcp("::ffff:127.0.0.1", 80)],
    [":8000", tcp("", 8000)],
    ["my_server-1.example.com.:65535", tcp("my_server-1.example.com.", 65535)],
    ["Host:1", tcp("Host", 1)],
    ["localhost:http", tcp("localhost", 80)],
    ["[::1]:https", tcp("::1", 443)],
  ];
  test.each(good)("%s is an address", (text, address) => {
    expect(parseTcpAddress(text)).toEqual(address);
  });

  const bad: [string, RegExp][] = [
    ["", /the port is missing/],
    ["localhost", /the port is missing/],
    ["8000", /it is only a port; write :8000 for this machine/],
    ["*:80", /there is no host \*; write 0\.0\.0\.0:80/],
    ["localhost:", /the port is missing/],
    [":", /the port is missing/],
    ["::1", /an IPv6 address goes in brackets/],
    ["::1:80", /an IPv6 address goes in brackets/],
    ["fe80::1:8000", /an IPv6 address goes in brackets/],
    ["http://localhost:80", /brackets/],
    ["[::1]", /not an address/],
    ["[::1]80", /not an address/],
    ["[]:80", /not an IPv6 address/],
    ["[127.0.0.1]:80", /not an IPv6 address/],
    ["[localhost]:80", /not an IPv6 address/],
    ["[::1:80", /not an address/],
    ["::1]:80", /brackets/],
    ["1.2.3:80", /neither an IP address nor a host name/],
    ["1.2.3.256:80", /neither an IP address nor a host name/],
    ["-host:80", /neither an IP address nor a host name/],
    ["a..b:80", /neither an IP address nor a host name/],
    ["a b:80", /neither an IP address nor a host name/],
    [" localhost:80", /neither an IP address nor a host name/],
    [`${"a".repeat(64)}:80`, /neither an IP address nor a host name/],
    ["localhost:0", /not between 1 and 65535/],
    ["localhost:65536", /not between 1 and 65535/],
    ["localhost:99999999999999999999", /not between 1 and 65535/],
    ["localhost:-1", /neither a number nor a TCP service/],
    ["localhost:+80", /neither a number nor a TCP service/],
    ["localhost:0x50", /neither a number nor a TCP service/],
    ["localhost:80 ", /neither a number nor a TCP service/],
    ["localhost:8\n0", /neither a number nor a TCP service/],
    ["localhost:no-such-service", /neither a number nor a TCP service/],
  ];
  test.each(bad)("%j is refused with a reason", (text, reason) => {
    expect(() => parseTcpAddress(text)).toThrow(UserError);
    expect(() => parseTcpAddress(text)).toThrow(reason);
  });

  test("what is refused stands shortened in the sentence", () => {
    const long = "a-".repeat(50_000);
    for (const text of [`${long}:80`, `localhost:${long}`, `localhost:${"9".repeat(100_000)}`]) {
      const message = (() => {
        try {
          return String(parseTcpAddress(text));
        } catch (error) {
          return (error as Error).message;
        }
      })();
      expect(message).toMatch(/neither|not between/);
      expect(message.length).toBeLessThan(300);
    }
  });

  test("port 0 is for listening only", () => {
    expect(parseTcpAddress("127.0.0.1:0", { portZero: true })).toEqual(tcp("127.0.0.1", 0));
  });
});

describe("parsePort", () => {
  test("takes every TCP service of /etc/services, aliases too, and no UDP-only one", () => {
    const lines = readFileSync("/etc/services", "utf8")
      .split("\n")
      .map((line) => line.replace(/#.*/, "").trim().split(/\s+/))
      .filter(([name]) => name);
    const portsOf = new Map<string, Set<number>>();
    const udpOnly = new Set<string>();
    for (const [name = "", port = "", ...aliases] of lines) {
      for (const service of [name, ...aliases]) {
        if (port.endsWith("/tcp"))
          portsOf.set(service, (portsOf.get(service) ?? new Set()).add(Number.parseInt(port, 10)));
        else udpOnly.add(service);
      }
    }
    expect(portsOf.size).toBeGreaterThan(50);
    for (const [service, ports] of portsOf) expect([...ports]).toContain(parsePort(service));
    for (const service of udpOnly) if (!portsOf.has(service)) expect(() => parsePort(service)).toThrow(UserError);
  });
});

describe("parseSocketPath", () => {
  test("takes up to 103 bytes, the most that macOS's sun_path holds", () => {
    const longest = `/${"a".repeat(maxSocketPath - 1)}`;
    expect(longest.length).toBe(103);
    expect(parseSocketPath(longest)).toEqual({ kind: "unix", path: longest });
    expect(() => parseSocketPath(`${longest}a`)).toThrow(/has 104 bytes and a Unix socket takes at most 103/);
  });

  test("counts bytes, not characters", () => {
    expect(() => parseSocketPath(`/${"é".repeat(52)}`)).toThrow(/has 105 bytes/);
  });

  test.each(["", "a\0b"])("%j is refused", (text) => {
    expect(() => parseSocketPath(text)).toThrow(UserError);
  });
});

describe("properties", () => {
  const isValid = (address: Address, portZero: boolean): boolean => {
    if (address.kind === "unix") {
      const bytes = Buffer.byteLength(address.path);
      return bytes > 0 && bytes <= maxSocketPath && !address.path.includes("\0");
    }
    const { host, port } = address;
    const isHost = host === "" || isIP(host) !== 0 || /^[\w.-]+$/.test(host);
    return isHost && Number.isInteger(port) && port >= (portZero ? 0 : 1) && port <= 65535;
  };
  /** The value, or null for a UserError; anything else that is thrown is a defect. */
  const parsed = <T>(parse: () => T): T | null => {
    try {
      return parse();
    } catch (error) {
      if (error instanceof UserError) return null;
      throw error;
    }
  };

  test("any text is a valid address or a UserError", () => {
    check(
      fc.property(anyText, fc.boolean(), (text, portZero) => {
        const address = parsed(() => parseAddress(text, { portZero }));
        expect(address === null || isValid(address, portZero)).toBe(true);
        const tcpAddress = parsed(() => parseTcpAddress(text));
        expect(tcpAddress === null || isValid(tcpAddress, false)).toBe(true);
        const path = parsed(() => parseSocketPath(text));
        expect(path === null || isValid(path, false)).toBe(true);
        const port = parsed(() => parsePort(text));
        expect(port === null || isValid(tcp("", port), false)).toBe(true);
      }),
      2_000,
    );
  });

  const port = fc.integer({ min: 1, max: 65535 });
  const label = fc.stringMatching(/^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/);
  const host = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => `${labels.join(".")}.example`),
  );

  test("what is formatted is read back as it was", () => {
    check(
      fc.property(host, port, (host, port) => {
        expect(parseAddress(formatAddress(tcp(host, port)))).toEqual(tcp(host, port));
      }),
    );
  });

  test("an empty host is written as localhost", () => {
    check(
      fc.property(port, (port) => {
        expect(parseTcpAddress(`:${port}`)).toEqual({ kind: "tcp", host: "", port });
        expect(formatAddress(tcp("", port))).toBe(`localhost:${port}`);
      }),
    );
  });

  test("paths are read back as they were", () => {
    const path = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((text) => !text.includes("\0"));
    check(
      fc.property(path, (name) => {
        const address: Address = { kind: "unix", path: `/${name}` };
        const read = parsed(() => parseAddress(formatAddress(address)));
        expect(read).toEqual(Buffer.byteLength(address.path) > maxSocketPath ? null : address);
      }),
    );
  });
});
