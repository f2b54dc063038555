import { join } from "node:path";
import { cpuSeconds, pin } from "./process.ts";
import type { Running } from "./servers.ts";

/** A contender in front of the two backends; pid 0 where there is no relay in between. */
export interface Line {
  name: string;
  /** Whether the relay's CPU time can be told. */
  cpu: boolean;
  http: Running;
  bulk: Running;
  /** Starts what has exited once more. */
  restart?: () => Promise<void>;
}

/** One thing that is measured, and how its figures are shown. */
export interface Measure {
  key: string;
  title: string;
  unit: string;
  better: "more" | "less";
  format: (value: number) => string;
}

const measure = (key: string, title: string, unit: string, better: "more" | "less", digits = 0): Measure => ({
  key,
  title,
  unit,
  better,
  format: (value) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }),
});

/** Measured in every round, in this order. */
export const roundMeasures = {
  requests1: measure("requests1", "requests/s, 1 connection", "", "more"),
  requests32: measure("requests32", "requests/s, 32 connections", "", "more"),
  requests256: measure("requests256", "requests/s, 256 connections", "", "more"),
  requestCpu: measure("requestCpu", "CPU seconds for 100,000 requests", "s", "less", 2),
  connections: measure("connections", "connections/s", "", "more"),
  connectionCpu: measure("connectionCpu", "CPU seconds for 100,000 connections", "s", "less", 2),
  down: measure("down", "GB/s to the client", "", "more", 2),
  downCpu: measure("downCpu", "CPU seconds for a GB to the client", "s", "less", 3),
  up: measure("up", "GB/s from the client", "", "more", 2),
  upCpu: measure("upCpu", "CPU seconds for a GB from the client", "s", "less", 3),
  p50: measure("p50", "latency p50", "µs", "less"),
  p99: measure("p99", "latency p99", "µs", "less"),
  p999: measure("p999", "latency p99.9", "µs", "less"),
};

/** With a backend on TCP that is not near; the numbers are round trips in milliseconds. */
export const farMeasures = {
  far10: measure("far10", "MB/s to the client, round trip of 10 ms", "", "more"),
  far50: measure("far50", "MB/s to the client, round trip of 50 ms", "", "more"),
};

/** How long a download from far is measured, in milliseconds: TCP takes a second to become fast there. */
export const farDuration = (duration: number) => duration * 3;

export type RoundKey = keyof typeof roundMeasures;
export type Figures = Partial<Record<string, number>>;

/** Runs the load programs; `tools` is the folder that they were compiled into. */
export class Load {
  constructor(
    readonly tools: string,
    /** How long one figure is measured, in milliseconds. */
    readonly duration: number,
  ) {}

  /** Requests a second over `connections` kept-alive connections. */
  async requests(port: number, connections: number, prefix: string[] = []): Promise<number> {
    // wrk takes whole seconds only.
    const seconds = Math.max(1, Math.round(this.duration / 1_000));
    const text = await run([...prefix, "wrk", "-t1", `-c${connections}`, `-d${seconds}`, `http://127.0.0.1:${port}/`]);
    return Number(text.match(/Requests\/sec: *([\d.]+)/)?.[1]);
  }

  /**
   * Requests a second over one connection, one after the other. Where the scheduler puts the three processes decides this
   * by a factor of six: so they share one CPU, of which they could not use more anyway.
   */
  async oneAfterTheOther(port: number, relay: number, backend: number): Promise<number> {
    const pinned = relay > 0 ? [relay, backend] : [backend];
    for (const pid of pinned) pin(pid, 0);
    try {
      return await this.requests(port, 1, ["taskset", "-c", "0"]);
    } finally {
      for (const pid of pinned) pin(pid, "anywhere");
    }
  }

  /** Connections a second, 32 at a time, each with one request. */
  async connections(port: number): Promise<number> {
    const text = await run([join(this.tools, "load"), "connections", String(port), "32", String(this.duration)]);
    const [rate, failed] = text.split(" ").map(Number);
    if (failed !== 0) throw new Error(`${failed} connections failed`);
    return rate ?? Number.NaN;
  }

  /**
   * Latencies in microseconds of requests that come at a fixed rate over 32 connections. For three times as long as the rest:
   * where the scheduler has put the processes for the load before stays so for a second, and decides.
   */
  async latency(port: number, rate: number): Promise<{ p50: number; p99: number; p999: number }> {
    const program = join(this.tools, "load");
    const text = await run([program, "latency", String(port), "32", String(rate), String(this.duration * 3)]);
    const [p50 = Number.NaN, p99 = Number.NaN, p999 = Number.NaN] = text.split(" ").map(Number);
    return { p50, p99, p999 };
  }

  /** Gigabytes a second over four connections. */
  async bulk(direction: "down" | "up", port: number): Promise<number> {
    return Number(await run([join(this.tools, "bulk"), direction, String(port), "4", String(this.duration)]));
  }

  /** Everything that is measured in a round; `latencyRate` is in requests a second, `backend` nginx's process id. */
  async round({ http, bulk, cpu }: Line, backend: number, latencyRate: number): Promise<Figures> {
    const requests = await withCpu(http.pid, () => this.requests(http.port, 32));
    const connections = await withCpu(http.pid, () => this.connections(http.port));
    const down = await withCpu(bulk.pid, () => this.bulk("down", bulk.port));
    const up = await withCpu(bulk.pid, () => this.bulk("up", bulk.port));
    return {
      requests1: await this.oneAfterTheOther(http.port, http.pid, backend),
      requests32: requests.rate,
      requests256: await this.requests(http.port, 256),
      connections: connections.rate,
      down: down.rate,
      up: up.rate,
      ...(await this.latency(http.port, latencyRate)),
      ...(cpu && {
        requestCpu: requests.cpu * 100_000,
        connectionCpu: connections.cpu * 100_000,
        downCpu: down.cpu,
        upCpu: up.cpu,
      }),
    };
  }
}

/** The rate that `work` reports, and the relay's CPU seconds for one unit of it. */
async function withCpu(pid: number, work: () => Promise<number>): Promise<{ rate: number; cpu: number }> {
  const [before, start] = [cpuSeconds(pid), performance.now()];
  const rate = await work();
  const seconds = (performance.now() - start) / 1_000;
  return { rate, cpu: (cpuSeconds(pid) - before) / (rate * seconds) };
}

/** What a load program prints. Throws if it fails. */
export async function run(argv: string[]): Promise<string> {
  const child = Bun.spawn(argv, { stdout: "pipe", stderr: "pipe", timeout: 120_000 });
  const [status, text, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${errors}${text}`);
  return text;
}
