import { expect, test } from "bun:test";
import { chart } from "../../../scripts/bench/chart.ts";
import { markdown, type Results } from "../../../scripts/bench/report.ts";

const results: Results = {
  machine: { cpus: "2 × test", system: "Linux", date: "2026-01-01" },
  versions: { nginx: "1.0" },
  latencyRate: 5_000,
  duration: 1_000,
  unix: {
    direct: [{ requests32: 1_000 }],
    ours: [
      { requests32: 300, p99: 10 },
      { requests32: 200, p99: 30 },
    ],
    "a <b>": [
      { requests32: 100, p99: 20 },
      { requests32: 100, p99: 20 },
    ],
  },
  tcp: {},
  far: { direct: [{ far50: 60 }], ours: [{ far50: 50 }], "a <b>": [{ far50: 100 }] },
  memory: {},
  growth: {},
  start: { ours: [2, 4, 3] },
  activation: {},
  wakeUps: { ours: 7 },
  size: { ours: 5e6 },

  failures: { "a <b>": ["connect: Connection refused"] },
};

test("the tables show medians and the ratios of rounds that belong together", () => {
  const page = markdown(results, "ours");
  expect(page).toContain("| requests/s, 32 connections | 1,000 ±0 % | 250 ±10 % | 100 ±0 % |");
  expect(page).toContain("| requests/s, 32 connections (more is better) | 2.50 |");
  expect(page).toContain("| latency p99 (less is better) | 1.00 |");
  expect(page).toContain("| ours | 3.0 |  | 7 | 5.0 |");
  expect(page).toContain("| MB/s to the client, round trip of 50 ms | 60 ±0 % | 50 ±0 % | 100 ±0 % |");
  expect(page).toContain("| MB/s to the client, round trip of 50 ms (more is better) | 0.50 |");
  expect(page).toContain("repeated after a restart: a <b> (1 ×)");
  expect(page).not.toContain("NaN");
});

test("the chart is well-formed, leaves the direct connection out and scales bars to the longest", () => {
  const svg = chart(results, "ours");
  expect(svg).not.toContain("direct");
  expect(svg).toContain("a &lt;b>");
  expect(svg).toMatch(/class="own"[^>]* width="210.0"/);
  expect(svg).toMatch(/class="bar"[^>]* width="84.0"/);
  expect(svg.match(/<text/g)?.length).toBe(svg.match(/<\/text>/g)?.length);
  expect(svg).not.toContain("NaN");
});
