import { NoAnswer } from "../../control/client.ts";
import type { Caller } from "../caller/caller.ts";
import { isOurs } from "../launchd/ownership.ts";
import { ask } from "../tool.ts";
import { daemonOf } from "./daemons.ts";
import type { Entry } from "./entry.ts";

/** Root's commands must not be found through a PATH that somebody else may have set. */
const systemctl = "/usr/bin/systemctl";

/** What `systemctl show` tells of a unit, by the names of org.freedesktop.systemd1(5). */
type Properties = Map<string, string[]>;

const asked = ["LoadState", "ActiveState", "MainPID", "ExecStart", "TriggeredBy"];
const aboutEnd = ["Result", "ExecMainCode", "ExecMainStatus"];

/**
 * A service of systemd that runs this program, whether or not it runs now, with its daemon's account; null where there is none of that
 * name. Looked for among the system's units and the user's own.
 */
export async function unitOf(subject: string, { uid }: Pick<Caller, "uid">): Promise<Entry | null> {
  const name = subject.endsWith(".service") ? subject : `${subject}.service`;
  const managers = uid === 0 ? [[], ["--user"]] : [["--user"], []];
  for (const manager of managers) {
    const unit = await show(manager, name, [...asked, ...aboutEnd]);
    const [command = ""] = unit?.get("ExecStart") ?? [];
    const [, path] = command.match(/^\{ path=(.*?) ; argv\[\]=/) ?? [];
    if (unit !== null && one(unit, "LoadState") === "loaded" && isOurs(path)) return entryOf(name, unit, manager);
  }
  return null;
}

async function entryOf(name: string, unit: Properties, manager: string[]): Promise<Entry> {
  const triggers = one(unit, "TriggeredBy")
    .split(" ")
    .filter((name) => name.endsWith(".socket"));
  const sockets = (
    await Promise.all(triggers.map((socket) => show(manager, socket, ["ActiveState", "Listen"])))
  ).filter((socket) => socket !== null);
  const isOpen = sockets.some((socket) => one(socket, "ActiveState") === "active");
  const pid = Number(one(unit, "MainPID")) || null;
  const entry: Entry = {
    name,
    ...stateOf(one(unit, "ActiveState"), isOpen),
    pid,
    // `Listen=127.0.0.1:80 (Stream)`, a line for each.
    addresses: sockets.flatMap((socket) => socket.get("Listen") ?? []).map((text) => text.replace(/ \(\w+\)$/, "")),
    program: null,
    status: null,
    problem: null,
    lastEnd: endOf(unit),
    log: null,
    causes: [],
    tail: null,
  };
  if (pid === null) return entry;
  try {
    const { status, problem, program, addresses } = await daemonOf(pid);
    return { ...entry, status, problem, program, addresses };
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { ...entry, problem: error.message };
  }
}

/** systemd's words for a unit (org.freedesktop.systemd1(5), ActiveState) in those of the table. */
function stateOf(active: string, isOpen: boolean): Pick<Entry, "state" | "works"> {
  switch (active) {
    case "active":
    case "reloading":
      return { state: "running", works: true };
    case "activating":
      return { state: "starting", works: false };
    case "deactivating":
      return { state: "stopping", works: false };
    case "failed":
      return { state: "failed", works: false };
    default:
      return isOpen ? { state: "waiting for a connection", works: true } : { state: "not running", works: false };
  }
}

/** How the last run ended; null where there was none, or one goes on. `ExecMainCode` is the si_code of its end (bits/siginfo-consts.h). */
function endOf(unit: Properties): string | null {
  const [exited, killed, dumped] = ["1", "2", "3"];
  const status = one(unit, "ExecMainStatus");
  switch (one(unit, "ExecMainCode")) {
    case exited:
      return status === "0" ? "ended normally" : `ended with status ${status}`;
    case killed:
    case dumped:
      return `was ended by signal ${status}${one(unit, "Result") === "timeout" ? ", since it had not ended in time" : ""}`;
    default:
      return null;
  }
}

function one(unit: Properties, name: string): string {
  return unit.get(name)?.[0] ?? "";
}

/** Null where systemd cannot be asked. */
async function show(manager: string[], unit: string, properties: string[]): Promise<Properties | null> {
  const text = await ask(systemctl, ...manager, "show", `--property=${properties.join(",")}`, "--", unit);
  if (text === null || text === "") return null;
  const found: Properties = new Map();
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0) found.set(line.slice(0, at), [...(found.get(line.slice(0, at)) ?? []), line.slice(at + 1)]);
  }
  return found;
}
