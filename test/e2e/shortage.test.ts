/** Out of local ports, in a network namespace that has only a few (needs root and iproute2), and out of descriptors. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { type Client, order } from "../support/client.ts";
import { Command } from "../support/command.ts";
import { backendCommand, FaultyBackend } from "../support/faulty-backend.ts";
import { FewPorts } from "../support/few-ports.ts";
import { serve, start } from "../support/program-under-test.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

const ports = 12;

test.skipIf(!FewPorts.possible)(
  "out of local ports, clients wait for one, nobody is refused, and one warning says what is missing",
  async () => {
    await using space = await FewPorts.start(ports);
    const { through } = space;
    await using _backend = new Command([...through, ...backendCommand, "127.0.0.1:8000"]);
    using place = freeTarget("unix");
    await using daemon = start(["--listen", place.name, "--tcp-address", "127.0.0.1:8000", "-"], { through });
    await daemon.serves();
    const clients: Client[] = [];
    for (let index = 0; index < 4 * ports; index++) {
      clients.push(await order(place.address, { answer: 10, last: "hold" }));
    }
    const served = () => clients.filter(({ received }) => received === 10).length;
    await waitFor("the ports to be taken", () => served() > 0);
    await daemon.logged(/the program cannot be reached at 127\.0\.0\.1:8000: no local port is free \(EADDRNOTAVAIL\)/);
    expect(served()).toBeLessThanOrEqual(ports);
    await daemon.usesLessThan(0.05);
    for (const client of clients) {
      await client.got(10);
      client.close();
    }
    expect(clients.map(({ differsAt }) => differsAt)).toEqual(new Array(clients.length).fill(null));
    await daemon.logged(/the program accepts connections at 127\.0\.0\.1:8000 after/);
    expect(daemon.stderr).not.toContain("error connecting");
  },
  60_000,
);

test.skipIf(Bun.which("prlimit") === null).each(["unix", "tcp"] as const)(
  "with one descriptor left before a %s program, clients wait for more, nobody is refused, and one warning says so",
  async (kind) => {
    using target = freeTarget(kind);
    using backend = new FaultyBackend(target.address);
    await using daemon = await serve({ options: target.options });
    using first = await order(daemon.address, { answer: 10, last: "hold" });
    await first.got(10);
    const used = new Set(readdirSync(`/proc/${daemon.pid}/fd`).map(Number));
    let next = 0;
    while (used.has(next)) next++;
    const setLimit = (soft: number) => Bun.spawnSync(["prlimit", `--pid=${daemon.pid}`, `--nofile=${soft}:`]).success;
    expect(setLimit(next + 1)).toBe(true);
    const clients: Client[] = [];
    for (let index = 0; index < 5; index++) clients.push(await order(daemon.address, { answer: 10, last: "hold" }));
    // What accepting takes is a client's meanwhile, so that one of them may be served.
    await daemon.logged(/this process has no descriptor left \(EMFILE\)/);
    await daemon.usesLessThan(0.05);
    expect(backend.made).toBeLessThanOrEqual(2);
    expect(clients.every(({ state }) => state === "open")).toBe(true);
    expect(setLimit(1_024)).toBe(true);
    for (const client of clients) {
      await client.got(10);
      client.close();
    }
    await daemon.logged(/accept.* after \d+\.\d s/);
    expect(daemon.stderr.match(/no descriptor left/g)).toHaveLength(1);
    expect(daemon.stderr).not.toContain("error connecting");
  },
);
