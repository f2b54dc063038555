import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Probe, Probes } from "../../../src/service/install/probe.ts";
import { waitFor } from "../../support/wait.ts";

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
