import { version } from "../../../package.json";
import { NoAnswer } from "../../control/client.ts";
import type { Caller, Output } from "../caller/caller.ts";
import { daemonOf, daemonsOf } from "./daemons.ts";
import { details } from "./details.ts";
import { type Entry, exitStatus } from "./entry.ts";
import { join } from "./join.ts";
import { serviceOf, servicesOf } from "./services.ts";
import { table } from "./table.ts";
import { unitOf } from "./units.ts";

/** What --status is asked for: one by its name or the id of its process, or all. */
export interface StatusCommand {
  kind: "status";
  subject: string | null;
  json: boolean;
  watch: boolean;
}

/** Milliseconds between two looks of --watch. */
const interval = 1_000;
/** Clears a terminal: the cursor goes to its corner, and what is there is erased (ECMA-48, CUP and ED). */
const clear = "\x1b[H\x1b[J";

/** Shows how services fare. Returns the exit code, systemctl's for one and 0 for all. Throws a UserError. */
export async function showStatus(command: StatusCommand, caller: Caller, output: Output): Promise<number> {
  if (!command.watch) return showOnce(command, caller, output, "");
  for (let first = true; ; first = false) {
    // On a terminal one picture takes the place of the other; elsewhere an empty line lies between.
    const before = caller.terminal ? clear : first || command.json ? "" : "\n";
    const code = await showOnce(command, caller, output, before);
    if (code === exitStatus.unknown) return code;
    await Bun.sleep(interval);
  }
}

async function showOnce(
  { subject, json, watch }: StatusCommand,
  caller: Caller,
  { print, tell }: Output,
  before: string,
): Promise<number> {
  // Several looks are a line each. JSON leaves the control characters from U+007F to U+009F as they are, and terminals obey them.
  const inJson = (value: unknown) =>
    JSON.stringify(value, null, watch ? 0 : 2).replace(
      /[\u007f-\u009f]/g,
      (control) => `\\u00${control.charCodeAt(0).toString(16)}`,
    );
  const { uid, colour } = caller;
  if (subject === null) {
    const [services, daemons] = await Promise.all([servicesOf(caller), daemonsOf(uid)]);
    const entries = join(services, daemons);
    print(before + (json ? inJson(entries) : entries.length > 0 ? table(entries, colour) : none(uid)));
    return exitStatus.works;
  }
  const found = await find(subject, caller);
  if ("unknown" in found) {
    tell(`launch_socket_server: ${found.unknown}`);
    return exitStatus.unknown;
  }
  print(before + (json ? inJson(found) : details(found, version)));
  return found.works ? exitStatus.works : exitStatus.doesNotWork;
}

/** The one that is meant, or a sentence that says that there is none. Throws a NoAnswer for a daemon that may not be asked. */
async function find(subject: string, caller: Caller): Promise<Entry | { unknown: string }> {
  const { uid } = caller;
  if (/^\d+$/.test(subject)) {
    try {
      return await daemonOf(Number(subject));
    } catch (error) {
      if (error instanceof NoAnswer && ["no process", "no socket"].includes(error.kind))
        return { unknown: error.message };
      throw error;
    }
  }
  const service = caller.jobsRunHere ? await serviceOf(subject, caller, version) : await unitOf(subject, caller);
  if (service !== null) return service;
  const names = [subject, `${subject}.service`];
  const found = (await daemonsOf(uid)).find(({ name }) => name !== null && names.includes(name));
  return (
    found ?? {
      unknown: `no launch_socket_server called ${subject} runs here${ofWhom(uid)}; see launchctl or systemctl`,
    }
  );
}

function none(uid: number): string {
  return `no launch_socket_server runs here${ofWhom(uid)}`;
}

function ofWhom(uid: number): string {
  return uid === 0 ? "" : " as this user (sudo shows everybody's)";
}
