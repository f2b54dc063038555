import { join } from "node:path";
import { DelayedLink } from "../../test/support/delayed-link.ts";
import { freePort } from "../../test/support/ports.ts";
import { addressOf, type Contender, type Target } from "./contenders.ts";
import { type Figures, farDuration, type Load, run } from "./measures.ts";
import { append, type Results } from "./report.ts";
import { end, spawn } from "./servers.ts";

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
  load: Load,
  rounds: number,
  tell: (progress: string) => void,
): Promise<void> {
  if (DelayedLink.missing !== null) {
    tell(`left out: a far backend (there is no link with a delay: ${DelayedLink.missing})`);
    return;
  }
  const figures: Record<string, Figures[]> = {};
  for (const rtt of roundTrips) {
    await using link = await DelayedLink.start({ rtt });
    const target: Target & { kind: "tcp" } = { kind: "tcp", host: link.far.address, port: freePort() };
    const log = join(folder, "far.log");
    const bulk = join(load.tools, "bulk");
    /** Gigabytes a second to a client at the near end. */
    const download = async (address: string, duration: number) =>
      Number(await run([...link.through("near"), bulk, "down", address, "1", String(duration)]));
    const lines = [{ name: "direct", address: addressOf(target) }];
    const running = [spawn([...link.through("far"), bulk, "serve", addressOf(target)], log)];
    for (const contender of contenders) {
      const port = freePort();
      const { argv, env } = await contender.command({ kind: "tcp", port }, target, folder);
      running.push(spawn([...link.through("near"), ...argv], log, env));
      lines.push({ name: contender.name, address: String(port) });
    }
    tell(`warm-up, backend ${rtt} ms away`);
    for (const { address } of lines) await untilServed(() => download(address, farDuration(load.duration)), log);
    for (let round = 1; round <= rounds; round++) {
      for (const { name, address } of lines) {
        tell(`round ${round} of ${rounds}, backend ${rtt} ms away: ${name}`);
        const rate = await download(address, farDuration(load.duration));
        const all = figures[name] ?? [];
        figures[name] = all;
        all[round - 1] = { ...all[round - 1], [`far${rtt}`]: rate * 1_000 };
      }
    }
    await Promise.all(running.map(end));
  }
  for (const [name, rows] of Object.entries(figures)) for (const row of rows) append(results.far, name, row);
}

/** Tries until the server listens: from this process's own namespace that cannot be asked. */
async function untilServed(work: () => Promise<number>, log: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`${error}: ${await Bun.file(log).text()}`);
      await Bun.sleep(20);
    }
  }
}
