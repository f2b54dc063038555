import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contactsOf, Probe } from "../../../src/service/install/probe.ts";
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
});
