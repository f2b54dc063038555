/**
 * Measures this program beside what people would use instead, and writes results.json, results.md and chart.svg.
 *
 *   bun scripts/bench/main.ts [--quick] [--rounds N] [--only NAME,…] [--phases speed,far,memory,growth,start,idle]
 *                             [--against FILE]… [--program FILE] [--output FOLDER]
 *
 * --only takes parts of contenders' names; --against adds another build of this program, to compare two.
 */
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chart } from "./chart.ts";
import { type Contender, peers, possibleConnections, programName, thisProgram } from "./contenders.ts";
import { measureActivation, measureGrowth, measureMemory, measureStart, measureWakeUps } from "./costs.ts";
import { measureFar } from "./far.ts";
import { handOverName } from "./hand-over.ts";
import { Load } from "./measures.ts";
import { programSize } from "./process.ts";
import { append, markdown, type Results } from "./report.ts";
import { compile, isThere, missingTools, versions } from "./requirements.ts";
import { type Backends, cleanUp, makeFolder, startBackends, startContender } from "./servers.ts";
import { measureSpeed } from "./speed.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    only: { type: "string", default: "" },
    phases: { type: "string", default: "speed,far,memory,growth,start,idle" },
    against: { type: "string", multiple: true, default: [] },
    program: { type: "string", default: "sbin/launch_socket_server" },
    output: { type: "string", default: "build/bench" },
  },
});
const { quick, output, program } = values;
const rounds = Number(values.rounds ?? (quick ? 2 : 5));
const phases = values.phases.split(",");
const tools = join(output, "tools");

const missing = missingTools();
if (missing !== null) {
  console.error(`launch_socket_server: cannot measure: ${missing}`);
  process.exit(1);
}

function contenders(): Contender[] {
  const all = [
    thisProgram(programName, program),
    ...values.against.map((path) => thisProgram(path, path)),
    ...peers(tools),
  ];
  const wanted = values.only.split(",");
  const chosen = all.filter(({ name }) => wanted.some((part) => name.includes(part)));
  for (const { name, needs } of chosen.filter((one) => !isThere(one))) {
    console.error(`left out: ${name} (Debian: apt-get install ${needs?.package})`);
  }
  return chosen.filter(isThere);
}

async function measure(folder: string, results: Results): Promise<void> {
  const backends = await startBackends(folder, join(tools, "bulk"));
  const load = new Load(tools, results.duration);
  const chosen = contenders();
  const handOver = handOverName.includes(values.only) ? program : null;
  const work: Record<string, () => Promise<void>> = {
    speed: () => measureSpeed(results, chosen, handOver, backends, folder, load, rounds, tell),
    far: () => measureFar(results, chosen, folder, join(load.tools, "bulk"), load.duration, rounds, tell),
    memory: () => memories(results, chosen, backends, folder, load),
    growth: () => growth(results, chosen, backends, folder, load),
    start: () => starts(results, chosen, backends, folder),
    idle: () => idle(results, chosen, backends, folder, load),
  };
  for (const phase of phases) {
    await work[phase]?.();
    await write(results);
  }
}

/** After each phase, so that what fails later loses nothing. Returns the page. */
async function write(results: Results): Promise<string> {
  const page = markdown(results, programName);
  await Bun.write(join(output, "results.json"), JSON.stringify(results, null, 1));
  await Bun.write(join(output, "results.md"), page);
  await Bun.write(join(output, "chart.svg"), chart(results, programName));
  return page;
}

async function memories(results: Results, chosen: Contender[], { http }: Backends, folder: string, load: Load) {
  for (const contender of chosen) {
    const counts = possible(quick ? [100, 1_000] : [1_000, 10_000], contender);
    tell(`memory: ${contender.name}`);
    results.memory[contender.name] = await measureMemory(contender, http.unix, folder, load, counts);
  }
}

async function growth(results: Results, chosen: Contender[], { http }: Backends, folder: string, load: Load) {
  for (let round = 0; round < Math.ceil(rounds / 3); round++) {
    for (const contender of chosen) {
      for (const count of possible(quick ? [10, 1_000] : [10, 100, 1_000, 10_000], contender)) {
        tell(`growth, round ${round + 1}: ${contender.name}, ${count} connections`);
        const byCount = results.growth[contender.name] ?? {};
        results.growth[contender.name] = byCount;
        try {
          append(byCount, count, await measureGrowth(contender, http.unix, folder, load, count));
        } catch (error) {
          tell(`left out: ${error instanceof Error ? error.message : error}`);
        }
      }
    }
  }
}

const possible = (counts: number[], contender: Contender) => [
  ...new Set(counts.map((count) => possibleConnections(count, contender))),
];

async function starts(results: Results, chosen: Contender[], { http }: Backends, folder: string) {
  const path = http.unix.kind === "unix" ? http.unix.path : "";
  const activated: Record<string, string[]> = {
    [programName]: [program, "--socket-path", path, "-"],
    "systemd-socket-proxyd": ["/lib/systemd/systemd-socket-proxyd", path],
  };
  for (let round = 0; round < rounds * 2; round++) {
    tell(`starts, round ${round + 1}`);
    for (const contender of chosen) {
      const { name } = contender;
      const argv = activated[name];
      if (name !== "systemd-socket-proxyd") {
        append(results.start, name, await measureStart(contender, http.unix, folder));
      }
      if (argv !== undefined) append(results.activation, name, await measureActivation(argv));
    }
  }
}

/** Each has served something before, so that what serving leaves over (timers, collectors) is in the count. */
async function idle(results: Results, chosen: Contender[], { http }: Backends, folder: string, load: Load) {
  const [wait, count] = quick ? [5_000, 10_000] : [120_000, 120_000];
  const running = [];
  for (const contender of chosen) {
    const instance = await startContender(contender, http.unix, folder);
    await load.requests(instance.port, 32);
    results.size[contender.name] = programSize(instance.pid);
    running.push({ name: contender.name, ...instance });
  }
  tell(`wake-ups: ${(wait + count) / 1000} seconds of silence`);
  const wakeUps = await measureWakeUps(
    running.map(({ pid }) => pid),
    wait,
    count,
  );
  for (const [index, { name }] of running.entries()) results.wakeUps[name] = wakeUps[index] ?? Number.NaN;
  await Promise.all(running.map(({ stop }) => stop()));
}

function tell(progress: string): void {
  console.error(`${new Date().toTimeString().slice(0, 8)} ${progress}`);
}

tell("compiling the load programs");
await compile("scripts/bench", tools);
const results: Results = {
  machine: {
    cpus: `${cpus().length} × ${cpus()[0]?.model}`,
    system: (await Bun.$`uname -sr`.text()).trim(),
    date: new Date().toISOString().slice(0, 10),
  },
  versions: await versions(),
  latencyRate: 0,
  duration: 1_000,
  unix: {},
  tcp: {},
  far: {},
  memory: {},
  growth: {},
  start: {},
  activation: {},
  wakeUps: {},
  size: {},
  failures: {},
};
const folder = await makeFolder();
process.on("SIGINT", () => cleanUp(folder).then(() => process.exit(130)));
try {
  await measure(folder, results);
} finally {
  await cleanUp(folder);
}
console.log(await write(results));
console.error(`written: ${output}/results.md, chart.svg and results.json`);
