import { formatAddress } from "../../address.ts";
import type { Status } from "../../control/protocol.ts";
import type { Sight } from "./probe.ts";

/** What a daemon says of itself that is of use here; null where it could not be asked. */
type Account = Pick<Status, "addresses" | "waitingFor"> | null;

/** Says what the clients saw, a line for each address; of those that only hold a connection the daemon knows more, where it was asked. */
export function tellSights(sights: Sight[], status: Account, print: (text: string) => void): void {
  for (const sight of sights) print(`${formatAddress(sight.contact)}: ${describe(sight, status)}`);
}

function describe({ contact, state }: Sight, status: Account): string {
  switch (state) {
    case "answered":
      return "a client was answered by the program";
    case "closed":
      return "a client was connected, and then closed by the program; the log may say why";
    case "open":
      if (status === null) return "a client is connected; whether the program has accepted it, only the program knows";
      if (status.waitingFor === null) return "a client is connected to the program";
      return waits(contact, status.addresses, status.waitingFor)
        ? `a client is connected and waits for ${status.waitingFor}`
        : "a client is connected";
  }
}

/** Whether what the daemon's clients wait for is where this address leads. */
function waits(contact: Sight["contact"], addresses: Status["addresses"], waitingFor: string): boolean {
  const targets = new Set(addresses.map(({ target }) => target));
  const own = addresses.find(({ listen }) => listen === formatAddress(contact))?.target;
  return targets.size === 1 || (own !== undefined && waitingFor.includes(own));
}
