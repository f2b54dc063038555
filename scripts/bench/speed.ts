import { join } from "node:path";
import type { Contender } from "./contenders.ts";
import { handOverName, startHandOver } from "./hand-over.ts";
import type { Line, Load } from "./measures.ts";
import { append, type Results } from "./report.ts";
import { type Backends, type Running, startContender } from "./servers.ts";
import { median } from "./statistics.ts";

/** The share of the slowest contender's requests/s at which latency is measured: far enough below saturation for all. */
const latencyShare = 0.4;

/**
 * Measures all contenders in turns, A B C … A B C …, so that what disturbs the machine for a while disturbs all of them,
 * and begins with a round that does not count. `handOver` is the program to be measured in its hand-over mode too. Writes
 * into `results`.
 */
export async function measureSpeed(
  results: Results,
  contenders: Contender[],
  handOver: string | null,
  backends: Backends,
  folder: string,
  load: Load,
  rounds: number,
  tell: (progress: string) => void,
): Promise<void> {
  const { http, bulk } = backends;
  for (const kind of ["unix", "tcp"] as const) {
    const direct: Line = { name: "direct", cpu: false, http: unrelayed(http.tcp.port), bulk: unrelayed(bulk.tcp.port) };
    const lines: Line[] = [direct];
    if (kind === "unix" && handOver !== null) {
      lines.push({
        name: handOverName,
        cpu: false,
        ...(await startHandOver(handOver, join(load.tools, "bulk"), folder)),
      });
    }
    for (const contender of contenders) {
      const startBoth = async () => ({
        http: await startContender(contender, http[kind], folder),
        bulk: await startContender(contender, bulk[kind], folder),
      });
      const line: Line = { name: contender.name, cpu: contender.forks !== true, ...(await startBoth()) };
      line.restart = async () => {
        await Promise.all([line.http.stop(), line.bulk.stop()]);
        Object.assign(line, await startBoth());
      };
      lines.push(line);
    }
    tell(`warm-up, backend on ${kind}`);
    const rates = [];
    for (const line of lines) rates.push(await warmUp(line, load));
    results.latencyRate ||= Math.max(1_000, Math.floor((Math.min(...rates) * latencyShare) / 1_000) * 1_000);
    for (let round = 1; round <= rounds; round++) {
      for (const line of lines) {
        tell(`round ${round} of ${rounds}, backend on ${kind}: ${line.name}`);
        const measure = () => load.round(line, backends.nginx, results.latencyRate);
        const figures = await measure().catch(async (error) => {
          tell(`${line.name} failed and is started again: ${String(error.message).trim()}`);
          if (line.restart === undefined) throw error;
          append(results.failures, line.name, `${error.message}`);
          await line.restart();
          return measure();
        });
        append(results[kind], line.name, figures);
      }
    }
    await Promise.all(lines.flatMap(({ http, bulk }) => [http.stop(), bulk.stop()]));
  }
}

/** The median of three: a single disturbed second would set the rate for all. */
async function warmUp({ http, bulk }: Line, load: Load): Promise<number> {
  const rates = [];
  for (let time = 0; time < 3; time++) rates.push(await load.requests(http.port, 32));
  await load.connections(http.port);
  for (const direction of ["down", "up"] as const) await load.bulk(direction, bulk.port);
  return median(rates);
}

const unrelayed = (port: number): Running => ({ pid: 0, port, stop: async () => {} });
