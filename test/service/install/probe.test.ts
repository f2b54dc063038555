import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contactsOf, Probe, Probes, takesRoot } from "../../../src/service/install/probe.ts";
import { readSettings } from "../../../src/settings/options.ts";
import { waitFor } from "../../support/wait.ts";

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

test("a port under 1024 takes root on a single address alone", () => {
  const takes = (...entries: ReturnType<typeof entry>[]) => takesRoot({ Sockets: { Socket: entries } }, settings());
  expect(takes(entry("0.0.0.0"), entry("::"), entry("127.0.0.1", "8080"))).toBe(false);
  expect(takes(entry("0.0.0.0"), entry("::1", "http"))).toBe(true);
  expect(takesRoot({ Sockets: { Socket: { SockPathName: "/tmp/web.sock" } } }, settings())).toBe(false);
});

describe("Probe", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "probe-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("goes on until somebody listens, and ends with its scope", async () => {
    const unix = join(folder, "socket");
    let closed = 0;
    {
      using probe = new Probe({ kind: "unix", path: unix });
      expect(probe.connected).toBe(false);
      const server = Bun.listen({ unix, socket: { data() {}, close: () => void closed++ } });
      try {
        await waitFor("the connection", () => probe.connected);
        expect(closed).toBe(0);
      } finally {
        probe[Symbol.dispose]();
        await waitFor("its end", () => closed === 1);
        server.stop(true);
      }
    }
  });

  test("tells a server that speaks first from one that closes and one that only listens, and sends nothing", async () => {
    const received: string[] = [];
    const serve = (name: string, open: (socket: Bun.Socket) => void) =>
      Bun.listen({ unix: join(folder, name), socket: { open, data: (_, bytes) => void received.push(String(bytes)) } });
    const servers = [
      serve("a", (socket) => void socket.write("220 ready\n")),
      serve("b", (socket) => void socket.end()),
      serve("c", () => {}),
    ];
    const contacts = ["a", "b", "c", "d"].map((name) => ({ kind: "unix" as const, path: join(folder, name) }));
    try {
      using probes = new Probes(contacts);
      const states = () => probes.sights.map(({ state }) => state).join(" ");
      await waitFor("what they see", () => states() === "answered closed open open");
      expect(probes.refused).toEqual(contacts[3]);
      servers.push(serve("d", () => {}));
      await waitFor("the last", () => probes.refused === undefined);
      expect(received).toEqual([]);
    } finally {
      for (const server of servers) server.stop(true);
    }
  });
});
