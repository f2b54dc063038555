import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "../../../test/support/command.ts";
import { waitFor } from "../../../test/support/wait.ts";
import type { Contender, Settings, Target } from "../contenders.ts";

/** One thing that goes wrong, and what comes of it with each relay. */
export interface Fault {
  title: string;
  /** What happens, and with which settings. */
  text: string;
  columns: string[];
  /** The columns whose figures compare the relays, and which figure is the better one. */
  compared?: { columns: number[]; better: "more" | "less" };
  /** One cell for each column; `folder` is for its files. */
  measure(contender: Contender, folder: string): Promise<string[]>;
  /** It is measured so many times, in turns with the other relays; shown is the median of each cell. An odd number. */
  rounds?: number;
  /** It waits more than it works: all relays go through it at the same time. */
  together?: true;
  /** Relays that only this fault is measured with. */
  others?: Contender[];
  /** Why it cannot be measured on this machine. */
  missing?: string | null;
}

/** Of several rows for the same relay the median of each column, by the numbers that the cells begin with. */
export function medianRow(rows: string[][]): string[] {
  const [first = []] = rows;
  return first.map((_, column) => {
    const cells = rows.map((row) => row[column] ?? "").sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b));
    return cells[(cells.length - 1) >> 1] ?? "";
  });
}

/** A path for a Unix socket in `folder`. */
export function unixIn(folder: string): Target & { kind: "unix" } {
  return { kind: "unix", path: join(folder, randomUUID().slice(0, 8)) };
}

/** Starts a relay, by way of the command `through`; resolves when it listens. */
export async function startRelay(
  contender: Contender,
  place: Target,
  target: Target,
  folder: string,
  { settings, through = [] }: { settings?: Settings; through?: string[] } = {},
): Promise<Command> {
  const { argv, env } = await contender.command(place, target, folder, settings);
  const relay = new Command(argv, { through, ...(env === undefined ? {} : { env }) });
  const own = place.kind === "unix" ? place.path : `${place.host ?? "127.0.0.1"}:${place.port}`;
  try {
    await waitFor(
      () => `${contender.name} to listen at ${own}: ${relay.stderr}`,
      async () => {
        const listening = await Bun.$`${through} ss -Hlxtn`.quiet().text();
        // HAProxy renames its socket; the kernel goes on to show the first name, which begins with the last one.
        return place.kind === "unix" ? existsSync(own) && listening.includes(own) : listening.includes(`${own} `);
      },
    );
  } catch (error) {
    await relay[Symbol.asyncDispose]();
    throw error;
  }
  return relay;
}

/** Seconds until the condition holds, asked every 5 ms; null where it does not within `limit` seconds. */
export async function secondsUntil(limit: number, condition: () => boolean | Promise<boolean>): Promise<number | null> {
  const start = performance.now();
  const passed = () => (performance.now() - start) / 1_000;
  while (!(await condition())) {
    if (passed() > limit) return null;
    await Bun.sleep(5);
  }
  return passed();
}

/** Seconds as a cell shows them. */
export function seconds(value: number | null, limit: number): string {
  if (value === null) return `not within ${limit} s`;
  if (value < 0.01) return "under 0.01 s";
  return `${value.toFixed(value < 0.1 ? 2 : 1)} s`;
}

/** Those that are better than the first row by more than a twentieth, in one of the fault's compared columns. */
export function betterThanFirst({ compared }: Fault, rows: Record<string, string[]>): string[] {
  const [[, first] = ["", []], ...others] = Object.entries(rows);
  const ahead = (cells: string[], column: number) => {
    const ratio = Number.parseFloat(cells[column] ?? "") / Number.parseFloat(first[column] ?? "");
    return compared?.better === "more" ? ratio > 1.05 : ratio < 0.95;
  };
  return others.filter(([, cells]) => compared?.columns.some((column) => ahead(cells, column))).map(([name]) => name);
}
