/** Unix peers that go some time after they have ended their data, of which kqueue does not tell. */
import { expect, test } from "bun:test";
import type { Socket } from "bun";
import { serve } from "../support/program-under-test.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

/** Longer than it takes to see FIN pass through; a close in the same turn would be one event with it. */
const later = 50;
const limit = 10_000;

test.each(["closes", "is reset"])(
  "a client that ends its data and %s later, to a server that says nothing, is let go within ten seconds",
  async (how) => {
    using target = freeTarget("unix");
    using place = freeTarget("unix");
    const served: { ended: boolean; closed: boolean }[] = [];
    using _server = Bun.listen<{ ended: boolean; closed: boolean }>({
      unix: target.name,
      allowHalfOpen: true,
      socket: {
        open: (socket) => {
          socket.data = { ended: false, closed: false };
          served.push(socket.data);
        },
        data: () => {},
        end: ({ data }) => {
          data.ended = true;
        },
        close: ({ data }) => {
          data.closed = true;
        },
      },
    });
    await using daemon = await serve({ options: [...target.options, "--listen", place.name] });
    const client = await Bun.connect({ unix: place.name, allowHalfOpen: true, socket: { data: () => {} } });
    await waitFor("the connection", () => served.length === 1);
    const descriptors = daemon.descriptors;
    client.shutdown();
    await waitFor("the client's end at the server", () => served[0]?.ended);
    await Bun.sleep(later);
    if (how === "closes") client.end();
    else client.terminate();
    await waitFor("both sockets to be closed", () => daemon.descriptors === descriptors - 2, limit);
    await waitFor("the server to be told", () => served[0]?.closed, limit);
  },
);

test("a client is let go within ten seconds after its server has ended its data and closed later", async () => {
  using target = freeTarget("unix");
  const served: Socket<undefined>[] = [];
  using _server = Bun.listen<undefined>({
    unix: target.name,
    allowHalfOpen: true,
    socket: { open: (socket) => void served.push(socket), data: () => {} },
  });
  await using daemon = await serve({ options: target.options });
  const seen = { ended: false, closed: false };
  const port = daemon.address.kind === "tcp" ? daemon.address.port : 0;
  const client = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    allowHalfOpen: true,
    socket: {
      data: () => {},
      end: () => {
        seen.ended = true;
      },
      close: () => {
        seen.closed = true;
      },
    },
  });
  await waitFor("the connection", () => served.length === 1);
  const descriptors = daemon.descriptors;
  served[0]?.shutdown();
  await waitFor("the server's end at the client", () => seen.ended);
  await Bun.sleep(later);
  served[0]?.end();
  await waitFor("both sockets to be closed", () => daemon.descriptors === descriptors - 2, limit);
  client.end();
  expect(daemon.stderr).not.toContain("error");
});
