#!/usr/bin/env bun
/**
 * launchctl's stand-in, for tests of what calls it: bootstrap, bootout, print and kill of single jobs, each of which is
 * loaded by a launchd stand-in of its own in the background. State lies in the folder that STAND_IN_LAUNCHD names.
 */
import { existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Launchd } from "./launchd/stand-in.ts";
import { waitFor } from "./wait.ts";

const folder = process.env.STAND_IN_LAUNCHD ?? "";

/** Of a loaded job: the process that plays launchd for it, and its own process, null while it does not run. */
interface State {
  launchd: number;
  job: number | null;
}

const fileOf = (label: string) => join(folder, `${label}.json`);
const labelIn = (target: string) => basename(target);

function readState(label: string): State | null {
  return existsSync(fileOf(label)) ? (JSON.parse(readFileSync(fileOf(label), "utf8")) as State) : null;
}

/** 5 is what launchctl ends with for nearly everything that is wrong. */
async function bootstrap(plist: string): Promise<number> {
  const label = basename(plist, ".plist");
  if (readState(label) !== null) return 5;
  const log = openSync(join(folder, `${label}.log`), "w");
  const launchd = Bun.spawn([process.execPath, import.meta.path, "serve", plist, label], {
    stdio: ["ignore", log, log],
    detached: true,
  });
  launchd.unref();
  await waitFor("the job is loaded or refused", () => readState(label) !== null || launchd.exitCode !== null);
  return launchd.exitCode === null ? 0 : 5;
}

/** Plays launchd for one job until SIGTERM. */
async function serve(plist: string, label: string): Promise<number> {
  await using launchd = new Launchd({ folder, throttle: 1000 });
  const job = await launchd.load(plist);
  let ending = false;
  process.on("SIGTERM", () => {
    ending = true;
  });
  for (let known: number | null | undefined; !ending; await Bun.sleep(5)) {
    if (job.pid === known) continue;
    known = job.pid;
    // Whole at every moment: print reads it meanwhile.
    writeFileSync(`${fileOf(label)}.new`, JSON.stringify({ launchd: process.pid, job: known } satisfies State));
    renameSync(`${fileOf(label)}.new`, fileOf(label));
  }
  await job.unload();
  rmSync(fileOf(label));
  return 0;
}

function print(target: string): number {
  if (/^(gui|user)\/\d+$/.test(target)) return 0;
  const state = readState(labelIn(target));
  if (state === null) return 113;
  console.log(`${target} = {${state.job === null ? "" : `\n\tpid = ${state.job}`}\n}`);
  return 0;
}

function signal(name: string, pid: number | null | undefined): number {
  if (typeof pid !== "number") return 3;
  process.kill(pid, name);
  return 0;
}

const commands: Record<string, (first: string, second: string) => number | Promise<number>> = {
  bootstrap: (_domain, plist) => bootstrap(plist),
  serve,
  print,
  bootout: (target) => signal("SIGTERM", readState(labelIn(target))?.launchd),
  kill: (name, target) => signal(name, readState(labelIn(target))?.job),
};
const [command = "", first = "", second = ""] = process.argv.slice(2);
process.exit((await commands[command]?.(first, second)) ?? 64);
