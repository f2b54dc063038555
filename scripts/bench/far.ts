import { DelayedLink } from "../../test/support/delayed-link.ts";
import { freePort } from "../../test/support/ports.ts";
import type { Contender, Target } from "./contenders.ts";
import { FarServer } from "./far-server.ts";
import { startRelay } from "./faults/fault.ts";
import { type Figures, farDuration } from "./measures.ts";
import { append, type Results } from "./report.ts";

/** Milliseconds, as in the names of `farMeasures`. */
const roundTrips = [10, 50] as const;

/**
 * Measures downloads from a TCP backend at the other end of a link with a delay, in turns, beginning with a round that does
 * not count. Writes into `results`; where there can be no such link it says so and leaves this out.
 */
export async function measureFar(
  results: Results,
  contenders: Contender[],
  folder: string,
  bulk: string,
  duration: number,
  rounds: number,
  tell: (progress: string) => void,
): Promise<void> {
  if (DelayedLink.missing !== null) {
    tell(`left out: a far backend (there is no link with a delay: ${DelayedLink.missing})`);
    return;
  }
  const figures: Record<string, Figures[]> = {};
  for (const rtt of roundTrips) {
    await using far = await FarServer.start(rtt, bulk);
    await using relays = new AsyncDisposableStack();
    const lines: { name: string; place: Target }[] = [{ name: "direct", place: far.target }];
    for (const contender of contenders) {
      const place: Target = { kind: "tcp", port: freePort() };
      const through = far.link.through("near");
      relays.use(await startRelay(contender, place, far.target, folder, { through }));
      lines.push({ name: contender.name, place });
    }
    for (let round = 0; round <= rounds; round++) {
      for (const { name, place } of lines) {
        tell(`${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}, backend ${rtt} ms away: ${name}`);
        const rate = await far.download(place, farDuration(duration));
        if (round === 0) continue;
        const all = figures[name] ?? [];
        figures[name] = all;
        all[round - 1] = { ...all[round - 1], [`far${rtt}`]: rate };
      }
    }
  }
  for (const [name, rows] of Object.entries(figures)) for (const row of rows) append(results.far, name, row);
}
