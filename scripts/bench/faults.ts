/**
 * What becomes of clients when something goes wrong, with this program and with nginx and HAProxy in its place. Writes the page
 * docs/faults.md, and build/bench/faults.json, from which the faults that --only leaves out are taken.
 *
 *   bun scripts/bench/faults.ts [--only WORD,…] [--program FILE]       (WORD: part of a fault's title)
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { type Contender, haproxy, nginx, programName, thisProgram } from "./contenders.ts";
import {
  killedWorker,
  refusedUpload,
  resetAfterAnswer,
  steadyReaderIdle,
  stuckUploads,
  unixPeers,
} from "./faults/ends.ts";
import { betterThanFirst, type Fault, medianRow } from "./faults/fault.ts";
import { farServer, outOfPorts, vanishedPeers } from "./faults/network.ts";
import { compile, isThere, missingTools, versions } from "./requirements.ts";
import { cleanUp, makeFolder } from "./servers.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    program: { type: "string", default: "sbin/launch_socket_server" },
  },
});
const tools = "build/bench/tools";
const kept = "build/bench/faults.json";
const page = "docs/faults.md";

/** What was measured: by the fault's title, when, and one row for each relay. */
type Results = Record<string, { date: string; rows: Record<string, string[]> }>;

const missing = missingTools();
if (missing !== null) {
  console.error(`launch_socket_server: cannot measure: ${missing}`);
  process.exit(1);
}

const contenders = [thisProgram(programName, values.program), haproxy, nginx].filter(isThere);
const faults: Fault[] = [
  outOfPorts,
  farServer(`${tools}/bulk`),
  killedWorker(false),
  killedWorker(true),
  resetAfterAnswer,
  vanishedPeers,
  steadyReaderIdle,
  stuckUploads,
  unixPeers,
  refusedUpload,
];

async function measure(fault: Fault, folder: string): Promise<Record<string, string[]>> {
  const rows: Record<string, string[][]> = {};
  const one = async (contender: Contender) => {
    console.error(`${new Date().toTimeString().slice(0, 8)} ${fault.title}: ${contender.name}`);
    const cells = await fault.measure(contender, folder);
    console.error(`  ${contender.name}: ${cells.join(" | ")}`);
    rows[contender.name] = [...(rows[contender.name] ?? []), cells];
  };
  const all = [...contenders, ...(fault.others ?? [])];
  for (let round = 0; round < (fault.rounds ?? 1); round++) {
    if (fault.together) await Promise.all(all.map(one));
    else for (const contender of all) await one(contender);
  }
  return Object.fromEntries(all.map(({ name }) => [name, medianRow(rows[name] ?? [])]));
}

async function measured(): Promise<Results> {
  const file = Bun.file(kept);
  return (await file.exists()) ? await file.json() : {};
}

/** The page in Markdown. */
async function markdown(results: Results): Promise<string> {
  const { nginx, HAProxy, Bun: bun } = await versions();
  const dates = [...new Set(Object.values(results).map(({ date }) => date))].sort().join(" and ");
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  const sections = faults.flatMap((fault) => {
    const { title, text, columns } = fault;
    const result = results[title];
    if (result === undefined) return [];
    const rows = Object.entries(result.rows).map(([name, cells]) => line([name, ...cells]));
    const head = [line(["", ...columns]), line(["---", ...columns.map(() => "---:")])];
    const better = betterThanFirst(fault, result.rows);
    const said = better.length === 0 ? [] : [`Better here: ${better.join(", ")}.`];
    return [`## ${title}`, text, [...head, ...rows].join("\n"), ...said];
  });
  return `${[
    "# Faults, beside HAProxy and nginx",
    `Written by \`bun scripts/bench/faults.ts\`; no figure was typed. Measured ${dates} on ${cpus().length} × ${cpus()[0]?.model}, ${(await Bun.$`uname -sr`.text()).trim()}; Bun ${bun}, HAProxy ${HAProxy}, nginx ${nginx} (its stream module). Client, relay and server run on the same machine.`,
    "Settings of the others, unless a fault names more: HAProxy `mode tcp`, `nbthread 1`, `timeout connect 10s`, its other timeouts an hour, the rest as it comes; nginx `proxy_timeout 1h`, one process, the rest as it comes (`scripts/bench/contenders.ts`). This program has its defaults.",
    ...sections,
  ].join("\n\n")}\n`;
}

await compile("scripts/bench", tools);
const folder = await makeFolder();
const words = values.only.toLowerCase().split(",");
let failed = false;
try {
  for (const fault of faults.filter(({ title }) => words.some((word) => title.toLowerCase().includes(word)))) {
    if (fault.missing) {
      console.error(`left out: ${fault.title}: ${fault.missing}`);
      continue;
    }
    const rows = await measure(fault, folder);
    // Another run may have measured something else meanwhile.
    const results = { ...(await measured()), [fault.title]: { date: new Date().toISOString().slice(0, 10), rows } };
    await Bun.write(kept, JSON.stringify(results, null, 1));
  }
} catch (error) {
  console.error(error);
  failed = true;
} finally {
  await cleanUp(folder);
}
await Bun.write(page, await markdown(await measured()));
console.error(`written: ${page}`);
process.exit(failed ? 1 : 0);
