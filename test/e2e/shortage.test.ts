/** Out of local ports: clients wait until one is free. In a network namespace of its own, which has only a few (needs root and iproute2). */
import { expect, test } from "bun:test";
import { type Client, order } from "../support/client.ts";
import { Command } from "../support/command.ts";
import { backendCommand } from "../support/faulty-backend.ts";
import { FewPorts } from "../support/few-ports.ts";
import { start } from "../support/program-under-test.ts";
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
    expect(await daemon.load(1_000)).toBeLessThan(0.05);
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
