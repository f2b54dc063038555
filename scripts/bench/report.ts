import type { MemoryFigures } from "./costs.ts";
import { handOverName } from "./hand-over.ts";
import { type Figures, farDuration, farMeasures, type Measure, roundMeasures } from "./measures.ts";
import { median, ratio, spread } from "./statistics.ts";

/** All that a run has measured. Names of contenders are the keys, in the order of the table; "direct" has no relay. */
export interface Results {
  machine: { cpus: string; system: string; date: string };
  versions: Record<string, string>;
  /** Requests a second at which latency was measured. */
  latencyRate: number;
  duration: number;
  /** Over a Unix socket, and over TCP, to the backend: one entry for each round. */
  unix: Record<string, Figures[]>;
  tcp: Record<string, Figures[]>;
  /** Over TCP to a backend that is far: one entry for each round. */
  far: Record<string, Figures[]>;
  memory: Record<string, MemoryFigures>;
  growth: Record<string, Record<number, { rate: number; private: number }[]>>;
  start: Record<string, number[]>;
  activation: Record<string, number[]>;
  wakeUps: Record<string, number>;
  /** Why a contender had to be started again. */
  failures: Record<string, string[]>;
  size: Record<string, number>;
}

/** Adds one more value to those that `name` has. */
export function append<Value>(all: Record<string, Value[]>, name: string | number, value: Value): void {
  const values = all[name] ?? [];
  values.push(value);
  all[name] = values;
}

/** The figures of one measure, round by round. */
export function series(rounds: Figures[] | undefined, key: string): number[] {
  return (rounds ?? []).map((figures) => figures[key]).filter((value) => value !== undefined);
}

/** Whether there is no relay of this name. */
export const isDirect = (name: string) => name === "direct" || name === handOverName;

/** The whole page in Markdown; `program` is the contender that everything else is compared with. */
export function markdown(results: Results, program: string): string {
  const { machine, versions, duration, latencyRate } = results;
  const rounds = results.unix[program]?.length ?? 0;
  const said = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const failed = Object.entries(results.failures).map(([name, { length }]) => `${name} (${length} ×)`);
  const sections = [
    `Measured ${machine.date} on ${machine.cpus}, ${machine.system}; ${said.join(", ")}. One worker thread each (socat: one process for each connection), client, relay and backend on the same machine over loopback, and not pinned to CPUs except for the single connection (all on one). ${rounds} rounds after a warm-up, in turns, ${duration / 1000} s for each figure (${(duration * 3) / 1000} s for latencies). Shown are medians; ± is half the distance between the quartiles. Absolute figures are this machine's; compare them only with their neighbours.`,
    roundTable("Backend on a Unix socket", results.unix),
    `Latency at ${latencyRate.toLocaleString("en")} requests/s over 32 connections, counted from when each request was due.`,
    ratioTable(results.unix, program),
    ...(Object.keys(results.tcp).length > 0
      ? [roundTable("Backend on TCP", results.tcp), ratioTable(results.tcp, program)]
      : []),
    ...(Object.keys(results.far).length > 0
      ? [
          `One connection over a link with a delay between relay and backend, with client and relay at the same end; ${farDuration(duration) / 1000} s from the start of each download, and so with TCP's slow start.`,
          roundTable("Backend on TCP, far", results.far, farMeasures),
          ratioTable(results.far, program, farMeasures),
        ]
      : []),
    ...(failed.length > 0 ? [`Failed in a round, which was repeated after a restart: ${failed.join(", ")}.`] : []),
    ...(Object.keys(results.memory).length > 0 ? [memoryTable(results)] : []),
    ...(Object.keys(results.growth).length > 0 ? [growthTable(results)] : []),
    ...(Object.keys(results.size).length > 0 ? [costTable(results)] : []),
  ];
  return `${sections.join("\n\n")}\n`;
}

type Measures = Record<string, Measure>;

function roundTable(title: string, all: Record<string, Figures[]>, measures: Measures = roundMeasures): string {
  const names = Object.keys(all);
  const rows = Object.values(measures)
    .filter(({ key }) => names.some((name) => series(all[name], key).length > 0))
    .map((measure) => [label(measure), ...names.map((name) => cell(measure, series(all[name], measure.key)))]);
  return table([title, ...names], rows);
}

function cell({ format }: Measure, values: number[]): string {
  if (values.length === 0) return "";
  return `${format(median(values))} ±${Math.round(spread(values) * 100)} %`;
}

const label = ({ title, unit }: Measure) => (unit === "" ? title : `${title} (${unit})`);

/** Each contender's figures as multiples of this program's, from rounds that belong together. */
function ratioTable(all: Record<string, Figures[]>, program: string, measures: Measures = roundMeasures): string {
  const others = Object.keys(all).filter((name) => !isDirect(name) && name !== program);
  const rows = Object.values(measures).map(({ key, title, better }) => {
    const own = series(all[program], key);
    const cells = others.map((name) => ratio(own, series(all[name], key)).toFixed(2).replace("NaN", ""));
    return [`${title} (${better} is better)`, ...cells];
  });
  return table([`${program} is … times`, ...others], rows);
}

function memoryTable({ memory }: Results): string {
  const counts = [...new Set(Object.values(memory).flatMap((one) => one.connections.map(({ count }) => count)))];
  const mebibytes = (one: { resident: number; private: number } | undefined) =>
    one === undefined ? "" : `${(one.resident / 2 ** 20).toFixed(1)} / ${(one.private / 2 ** 20).toFixed(1)}`;
  const rows = Object.entries(memory).map(([name, { idle, connections, load }]) => {
    const held = counts.map((wanted) => connections.find(({ count }) => count === wanted)?.memory);
    const most = connections.at(-1);
    const each = most === undefined ? "" : ((most.memory.private - idle.private) / most.count / 1024).toFixed(1);
    return [name, mebibytes(idle), ...held.map(mebibytes), mebibytes(load), each];
  });
  const heads = counts.map((count) => `${count.toLocaleString("en")} idle connections`);
  return table(["MiB resident / private", "idle", ...heads, "under load", "KiB private for each connection"], rows);
}

function growthTable({ growth }: Results): string {
  const counts = [...new Set(Object.values(growth).flatMap((one) => Object.keys(one).map(Number)))];
  const rows = Object.entries(growth).map(([name, byCount]) => [
    name,
    ...counts.map((count) => {
      const runs = byCount[count] ?? [];
      if (runs.length === 0) return "";
      const rate = Math.round(median(runs.map((run) => run.rate))).toLocaleString("en");
      return `${rate} / ${(median(runs.map((run) => run.private)) / 2 ** 20).toFixed(1)}`;
    }),
  ]);
  const heads = counts.map((count) => `${count.toLocaleString("en")} connections`);
  return table(["requests/s / MiB private", ...heads], rows);
}

function costTable({ start, activation, wakeUps, size }: Results): string {
  const names = Object.keys(size);
  const milliseconds = (values: number[] | undefined) => (values === undefined ? "" : median(values).toFixed(1));
  return table(
    [
      "",
      "first byte after a start (ms)",
      "first byte under activation (ms)",
      "wake-ups a minute when idle",
      "size of the program (MB)",
    ],
    names.map((name) => [
      name,
      milliseconds(start[name]),
      milliseconds(activation[name]),
      wakeUps[name]?.toFixed(0) ?? "",
      ((size[name] ?? 0) / 1e6).toFixed(1),
    ]),
  );
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
