import type { Address } from "../../src/address.ts";
import { type Client, order } from "./client.ts";
import type { DelayedLink } from "./delayed-link.ts";
import type { Order } from "./faulty-backend.ts";
import { waitFor } from "./wait.ts";

/** In the order of what `vanishingClients` resolves with. */
export const vanishingStates = ["data in flight", "window closed", "idle", "half-closed by the client"] as const;

/** Clients at the far end of `link` of a relay at its near end, which listens at `place` before a FaultyBackend: one in each state. */
export async function vanishingClients(link: DelayedLink, place: Address): Promise<Client[]> {
  const client = (given: Order, options?: { reading: boolean }) =>
    link.inside("far", () => order(place, given, options));
  const inFlight = await client({ answer: 1_000_000_000, chunk: 10_000, pause: 5 });
  const closedWindow = await client({ answer: 100_000_000 }, { reading: false });
  const idle = await client({ answer: 10, last: "keep" });
  const halfClosed = await client({ answer: 10, last: "keep" });
  await inFlight.got(50_000);
  await idle.got(10);
  await halfClosed.got(10);
  halfClosed.shutdown();
  const { localPort } = closedWindow.socket;
  await waitFor("probes of a closed window", async () =>
    (await Bun.$`${link.through("near")} ss -Htno dport = :${localPort}`.text()).includes("timer:(persist"),
  );
  return [inFlight, closedWindow, idle, halfClosed];
}
