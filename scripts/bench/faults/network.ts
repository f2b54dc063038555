import type { Address } from "../../../src/address.ts";
import { type Client, order } from "../../../test/support/client.ts";
import { Command } from "../../../test/support/command.ts";
import { DelayedLink } from "../../../test/support/delayed-link.ts";
import { backendCommand } from "../../../test/support/faulty-backend.ts";
import { FewPorts } from "../../../test/support/few-ports.ts";
import { vanishingClients, vanishingStates } from "../../../test/support/vanishing-clients.ts";
import { type Contender, haproxy, type Target } from "../contenders.ts";
import { FarServer } from "../far-server.ts";
import { type Fault, seconds, secondsUntil, startRelay, unixIn } from "./fault.ts";

const ports = 12;
const clients = 48;

const queueing: Contender = {
  ...haproxy,
  name: `HAProxy tcp, maxconn ${ports} for the server`,
  command: (place, target, folder, settings) =>
    haproxy.command(place, target, folder, { ...settings, serverLimit: ports }),
};

export const outOfPorts: Fault = {
  title: "Out of local ports",
  text: `The relay has ${ports} local ports (a network namespace) for a server on TCP. ${clients} clients come at once; each ends its connection 200 ms after its answer. HAProxy can be told how many connections its server may have, and queues the others; the last row has that.`,
  columns: ["clients served", "refused", "all done after"],
  others: [queueing],
  missing: FewPorts.possible ? null : "it needs Linux, root and ip(8)",
  async measure(contender, folder) {
    await using space = await FewPorts.start(ports);
    await using _server = new Command([...space.through, ...backendCommand, "127.0.0.1:8000"]);
    await space.listening(8_000);
    const place = unixIn(folder);
    const { through } = space;
    await using _relay = await startRelay(contender, place, { kind: "tcp", port: 8_000 }, folder, { through });
    // A connection may be reset before its client knows that it has one.
    const connecting = Array.from({ length: clients }, () =>
      order(place, { answer: 10, last: "hold" }).catch(() => null),
    );
    const all = (await Promise.all(connecting)).filter((client) => client !== null);
    const leaving = new Set<Client>();
    const limit = 60;
    const done = await secondsUntil(limit, () => {
      for (const client of all) {
        if (client.received < 10 || leaving.has(client)) continue;
        leaving.add(client);
        setTimeout(() => client.close(), 200);
      }
      return all.every(({ received, state }) => received === 10 || state !== "open");
    });
    const served = all.filter(({ received }) => received === 10).length;
    const waiting = all.filter(({ received, state }) => received < 10 && state === "open").length;
    for (const client of all) client.reset();
    return [`${served} of ${clients}`, `${clients - served - waiting}`, seconds(done, limit)];
  },
};

/** A server that is far away; `tool` is bulk.c, compiled. */
export function farServer(tool: string): Fault {
  const rounds = 3;
  const cases = [
    { rtt: 50, client: "tcp" },
    { rtt: 10, client: "tcp" },
    { rtt: 50, client: "unix" },
    { rtt: 10, client: "unix" },
  ] as const;
  return {
    title: "A TCP server that is far away",
    text: `A download for 3 s over one connection from a server behind a link with that round trip, without loss and limited by the processor only. The client is near. Medians of ${rounds}, in turns.`,
    rounds,
    columns: cases.map(({ rtt, client }) => `RTT ${rtt} ms, client on ${client === "tcp" ? "TCP" : "a Unix socket"}`),
    compared: { columns: cases.map((_, index) => index), better: "more" },
    missing: DelayedLink.missing,
    async measure(contender, folder) {
      const cells: string[] = [];
      for (const { rtt, client } of cases) {
        await using far = await FarServer.start(rtt, tool);
        const place: Target = client === "unix" ? unixIn(folder) : { kind: "tcp", port: 8_001 };
        const through = far.link.through("near");
        await using _relay = await startRelay(contender, place, far.target, folder, { through });
        const rate = await far.download(place, 3_000);
        cells.push(`${rate.toFixed(rate < 10 ? 1 : 0)} MB/s`);
      }
      return cells;
    },
  };
}

export const vanishedPeers: Fault = {
  title: "A client that vanishes",
  text: "The link to the client goes down and nobody is told. Keep-alive towards clients: the first probe after 1 s, then one each second, ten times (`--tcp-keepalive 1s`; nginx `so_keepalive=1s:1s:10`; HAProxy `option clitcpka`, `clitcpka-idle 1s`, `clitcpka-intvl 1s`, `clitcpka-cnt 10`). No idle timeout below an hour: one would end a connection with a peer that is alive and silent, too.",
  columns: [...vanishingStates],
  together: true,
  missing: DelayedLink.missing,
  async measure(contender, folder) {
    const limit = 180;
    await using link = await DelayedLink.start({ rtt: 10 });
    const through = link.through("near");
    await using _server = new Command([...through, ...backendCommand, "127.0.0.1:8001"]);
    await link.listening("near", "127.0.0.1:8001");
    const place: Address & { kind: "tcp" } = { kind: "tcp", host: link.near.address, port: 80 };
    const settings = { keepAlive: 1 };
    const target = { kind: "tcp", port: 8_001 } as const;
    await using _relay = await startRelay(contender, place, target, folder, { settings, through });
    const all = await vanishingClients(link, place);
    await link.down();
    const start = performance.now();
    const found = all.map(() => null as number | null);
    await secondsUntil(limit, async () => {
      // A socket that the relay has closed is in neither of these states any more.
      const held = await Bun.$`${through} ss -Htan state established state close-wait sport = :80`.quiet().text();
      for (const [index, { socket }] of all.entries()) {
        if (!new RegExp(`:${socket.localPort}\\s*$`, "m").test(held)) found[index] ??= performance.now();
      }
      await Bun.sleep(100);
      return found.every((time) => time !== null);
    });
    for (const one of all) one.reset();
    return found.map((time) => seconds(time === null ? null : (time - start) / 1_000, limit));
  },
};
