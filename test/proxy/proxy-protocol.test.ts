import { describe, expect, test } from "bun:test";
import { encodeProxyHeader } from "../../src/proxy/proxy-protocol.ts";

const client = (remoteAddress: string, localAddress: string) => ({
  remoteAddress,
  remotePort: 56324,
  localAddress,
  localPort: 443,
});
const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const ports = [0xdc, 0x04, 0x01, 0xbb];

describe("PROXY protocol version 1", () => {
  const header = (ends: Parameters<typeof encodeProxyHeader>[1]) =>
    Buffer.from(encodeProxyHeader("v1", ends)).toString("latin1");

  test("tells IPv4 addresses and ports", () => {
    expect(header(client("192.168.0.1", "192.168.0.11"))).toBe("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
  });

  test("tells IPv6 addresses without scope id", () => {
    expect(header(client("fe80::1%lo0", "::1"))).toBe("PROXY TCP6 fe80::1 ::1 56324 443\r\n");
  });

  test("tells IPv4-mapped addresses as IPv4", () => {
    expect(header(client("::ffff:10.0.0.1", "::FFFF:10.0.0.2"))).toBe("PROXY TCP4 10.0.0.1 10.0.0.2 56324 443\r\n");
  });

  test("is UNKNOWN for a Unix client and for one that has left already", () => {
    expect(header(null)).toBe("PROXY UNKNOWN\r\n");
    expect(header({ ...client("", ""), remoteAddress: undefined as unknown as string })).toBe("PROXY UNKNOWN\r\n");
  });

  test("is never longer than the 107 bytes that the specification allows", () => {
    const longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    const ends = { remoteAddress: longest, localAddress: longest, remotePort: 65535, localPort: 65535 };
    expect(encodeProxyHeader("v1", ends).length).toBe(104);
  });
});

describe("PROXY protocol version 2", () => {
  const header = (ends: Parameters<typeof encodeProxyHeader>[1]) => [...encodeProxyHeader("v2", ends)];

  test("tells IPv4 addresses and ports in network order", () => {
    expect(header(client("192.168.0.1", "::ffff:192.168.0.11"))).toEqual([
      ...signature,
      0x21,
      0x11,
      0,
      12,
      192,
      168,
      0,
      1,
      192,
      168,
      0,
      11,
      ...ports,
    ]);
  });

  test("tells IPv6 addresses and ports", () => {
    const first = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    const second = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    expect(header(client("2001:db8::1", "fe80::2%en0"))).toEqual([
      ...signature,
      0x21,
      0x21,
      0,
      36,
      ...first,
      ...second,
      ...ports,
    ]);
  });

  test("is LOCAL with the family AF_UNSPEC and no addresses for a Unix client", () => {
    expect(header(null)).toEqual([...signature, 0x20, 0x00, 0, 0]);
  });
});
