import type { ProgramStatus, ReloadStatus, Status } from "../../control/protocol.ts";
import { onOneLine } from "../../errors.ts";
import { plural } from "../check/report.ts";
import type { LogTail } from "../diagnosis/log-tail.ts";
import type { Entry } from "./entry.ts";
import { bytes, duration, fold, localTime } from "./text.ts";

/** Where the values stand. */
const column = 15;

/** All that is known of one; `installed` is the version that asks, and `now` its time. */
export function details(entry: Entry, installed: string, now = Date.now()): string {
  const { name, state, pid, status, problem, lastEnd, log, causes, tail } = entry;
  const title = name ?? `process ${pid}`;
  return [
    onOneLine(`${title}: ${state}${status === null ? "" : `, ${since(status.since, now)}`}`),
    ...rows("why", ...causes),
    ...(status === null ? withoutAccount(entry) : accountOf(status, installed, now)),
    ...rows("last run", lastEnd),
    ...rows("no figures", problem),
    ...rows("log", log),
    ...(tail === null ? [] : logLines(tail)),
  ].join("\n");
}

function accountOf(status: Status, installed: string, now: number): string[] {
  const { version, pid, addresses, programs, connections, bytes: moved, waitingFor, lastFailure, reload } = status;
  const { now: open, waiting, capacity, atCapacity, total } = connections;
  const older = version === installed ? "" : ` (${installed} is installed)`;
  const full = atCapacity ? "; new ones wait in the kernel's queue" : "";
  return [
    ...rows("daemon", `process ${pid}, version ${version}${older}`),
    ...rows("serves", ...addresses.map(({ listen, target }) => `${listen} by ${target}`)),
    ...rows("program", ...(programs.length === 0 ? ["none"] : programs.map((program) => programLine(program, now)))),
    ...rows("connections", `${open} now, of ${capacity} at most${full}; ${total} in all`),
    ...rows("waiting", waiting === 0 ? null : `${waiting}, for ${waitingFor ?? "the program"}`),
    ...rows("data", `${bytes(moved.up)} from clients, ${bytes(moved.down)} to them`),
    ...rows("last reload", reload && `${localTime(reload.since)}: ${reloadInWords(reload)}`),
    ...rows("last failure", lastFailure && `${localTime(lastFailure.at)}: ${lastFailure.reason}`),
  ];
}

/** What its property list says. */
function withoutAccount({ name, pid, addresses, program }: Entry): string[] {
  return [
    ...rows("daemon", pid === null || name === null ? null : `process ${pid}`),
    ...rows("serves", ...addresses),
    ...rows("program", program === null ? null : program.join(" ")),
  ];
}

/** As they are, whatever their width: a line of a log is looked for as a whole. */
function logLines(tail: LogTail): string[] {
  if ("problem" in tail) return rows("", tail.problem);
  return tail.lines.map((line) => `    ${onOneLine(line)}`);
}

function programLine({ pid, command, since: start, state, connections }: ProgramStatus, now: number): string {
  const words = state === "running" ? "" : `${state}, `;
  return `${command.join(" ")} (process ${pid}, ${words}${since(start, now)}, ${plural(connections, "connection")})`;
}

function reloadInWords({ phase, oldPid, newPid, connections, problem }: ReloadStatus): string {
  switch (phase) {
    case "starting":
      return "a new copy of the program is starting";
    case "draining":
      return `process ${newPid} has taken over from ${oldPid}, which keeps ${plural(connections.left, "connection")}`;
    case "stopping":
      return `process ${newPid} has taken over, and ${oldPid} is being stopped`;
    case "done":
      return `process ${newPid} has taken over from ${oldPid}; ${plural(connections.cut, "connection")} cut`;
    case "failed":
      return `failed: ${problem}`;
  }
}

function since(iso: string, now: number): string {
  return `since ${localTime(iso)} (${duration(now - Date.parse(iso))})`;
}

/** A line for each value, with the name before the first; nothing for null. */
function rows(name: string, ...values: (string | null)[]): string[] {
  return values.flatMap((value, index) =>
    value === null ? [] : [`${`  ${index === 0 ? name : ""}`.padEnd(column)}${fold(value, column)}`],
  );
}
