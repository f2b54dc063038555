import { describe, expect, test } from "bun:test";
import { formatAddress } from "../../../src/address.ts";
import { boundAddresses, contactsOf, takesRoot } from "../../../src/service/launchd/contacts.ts";
import { readSettings } from "../../../src/settings/options.ts";

const settings = (environment = {}) => readSettings({}, environment);
const entry = (SockNodeName: string, SockServiceName: string | number = "80", more = {}) => ({
  SockNodeName,
  SockServiceName,
  ...more,
});

describe("contactsOf", () => {
  test("are the addresses of the socket that is served, loopback for the whole network", () => {
    const job = {
      Sockets: { Other: entry("127.0.0.9"), Socket: [entry("0.0.0.0"), entry("::", "http"), entry("192.0.2.7", 8080)] },
    };
    expect(contactsOf(job, settings())).toEqual([
      { kind: "tcp", host: "127.0.0.1", port: 80 },
      { kind: "tcp", host: "::1", port: 80 },
      { kind: "tcp", host: "192.0.2.7", port: 8080 },
    ]);
    expect(contactsOf(job, settings({ LAUNCH_DAEMON_SOCKET_NAME: "Other" }))).toEqual([
      { kind: "tcp", host: "127.0.0.9", port: 80 },
    ]);
    expect(contactsOf({ Sockets: { listeners: { SockServiceName: "80", SockFamily: "IPv6" } } }, settings())).toEqual([
      { kind: "tcp", host: "::1", port: 80 },
    ]);
  });

  test("are none where no stream can be connected to", () => {
    expect(contactsOf({}, settings())).toEqual([]);
    const datagrams = {
      A: entry("127.0.0.1", "80", { SockType: "dgram" }),
      B: entry("127.0.0.1", "80", { SockProtocol: "UDP" }),
    };
    expect(contactsOf({ Sockets: datagrams }, settings({ LAUNCH_DAEMON_ROUTES: "A= B=" }))).toEqual([]);
    expect(contactsOf({ Sockets: { Socket: { SecureSocketWithKey: "X" } } }, settings())).toEqual([]);
  });

  test("may be a path", () => {
    const job = { Sockets: { Socket: { SockPathName: "/tmp/web.sock" } } };
    expect(contactsOf(job, settings())).toEqual([{ kind: "unix", path: "/tmp/web.sock" }]);
  });
});

test("boundAddresses are what launchd binds, every address among them", () => {
  const entries = [entry("127.0.0.1"), entry("0.0.0.0", 8080), entry("::", 8081), { SockServiceName: "8082" }];
  const six = { SockServiceName: "8083", SockFamily: "IPv6" };
  expect(boundAddresses({ Sockets: { Socket: [...entries, six] } }, settings()).map(formatAddress)).toEqual([
    ...["127.0.0.1:80", "0.0.0.0:8080", "[::]:8081", "0.0.0.0:8082", "[::]:8083"],
  ]);
});

test("a port under 1024 takes root on a single address alone", () => {
  const takes = (...entries: ReturnType<typeof entry>[]) => takesRoot({ Sockets: { Socket: entries } }, settings());
  expect(takes(entry("0.0.0.0"), entry("::"), entry("127.0.0.1", "8080"))).toBe(false);
  expect(takes(entry("0.0.0.0"), entry("::1", "http"))).toBe(true);
  expect(takesRoot({ Sockets: { Socket: { SockPathName: "/tmp/web.sock" } } }, settings())).toBe(false);
});
