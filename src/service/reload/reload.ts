import { setTimeout as sleep } from "node:timers/promises";
import { ask, askStatus, NoAnswer } from "../../control/client.ts";
import type { ReloadStatus } from "../../control/protocol.ts";
import { onOneLine, UserError } from "../../errors.ts";
import type { Caller, Output } from "../caller/caller.ts";
import { plural } from "../check/report.ts";
import { reachOf } from "../launchd/reach.ts";
import { noteOnPlist } from "./plist-note.ts";
import { pidOf } from "./subject.ts";

/** Whose program a new copy is to take over from: a label, or the id of a daemon's process. */
export interface ReloadCommand {
  kind: "reload";
  subject: string;
}

/** Switched and drained; switched, but connections were cut. All else is a UserError: not switched. */
const exitStatus = { done: 0, cut: 2 } as const;
/** Milliseconds between two looks. */
const interval = 100;
/** Milliseconds for which a daemon that was told to reload may leave questions without an answer. */
const patience = 10_000;
/** Takes the cursor to the line before and erases that (ECMA-48, CUU and EL). */
const inPlace = "\x1b[A\x1b[K";

/** Has a new copy of a daemon's program take over and waits until the old one has ended. Returns the exit code. Throws a UserError. */
export async function reloadProgram({ subject }: ReloadCommand, caller: Caller, output: Output): Promise<number> {
  const failed = (why: string) => new UserError(`cannot reload ${subject}: ${why}`);
  const pid = await pidOf(subject, caller);
  try {
    const { label } = await askStatus(pid);
    const reach = reachOf(caller);
    const note = label === null || reach === null ? null : await noteOnPlist(label, reach);
    await ask(pid, { command: "reload" });
    if (note !== null) output.tell(note);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    throw failed(error.kind === "no socket" ? `${error.message}; --restart starts a service afresh` : error.message);
  }
  const end = await untilOver(pid, caller.terminal ? progressOn(output) : () => {}).catch((error) => {
    if (!(error instanceof NoAnswer)) throw error;
    if (error.kind === "no process" || error.kind === "no socket")
      throw failed("the daemon has ended before that was over; its log says why");
    throw failed(`it was begun, but how it ends cannot be told: ${error.message}`);
  });
  if (end.phase === "failed") {
    if (end.log.length > 0) output.tell(["the log until then:", ...end.log].map(onOneLine).join("\n  "));
    throw failed(end.problem ?? "it has failed");
  }
  const { before, cut } = end.connections;
  const kept = `${plural(before - cut, "connection")} of the old copy finished`;
  const lost = `${cut} ${cut === 1 ? "was" : "were"} cut`;
  output.print(`${subject} is reloaded: process ${end.newPid} has taken over from ${end.oldPid}; ${kept}, ${lost}`);
  return cut > 0 ? exitStatus.cut : exitStatus.done;
}

/** The reload that has just been begun, once it is over. Throws a NoAnswer where the daemon has ended or says nothing any more. */
async function untilOver(pid: number, show: (reload: ReloadStatus) => void): Promise<ReloadStatus> {
  for (let answered = performance.now(); ; ) {
    try {
      const { reload } = await askStatus(pid);
      answered = performance.now();
      if (reload === null) throw new NoAnswer("refused", `process ${pid} knows of no reload`);
      if (reload.phase === "done" || reload.phase === "failed") return reload;
      show(reload);
    } catch (error) {
      const passes = error instanceof NoAnswer && error.kind === "silent" && performance.now() - answered < patience;
      if (!passes) throw error;
    }
    await sleep(interval);
  }
}

/** Shows on a terminal what is waited for, one line in the place of the other. */
function progressOn({ print }: Output): (reload: ReloadStatus) => void {
  let shown = "";
  return (reload) => {
    const text = onOneLine(describe(reload));
    if (text === shown) return;
    print(shown === "" ? text : inPlace + text);
    shown = text;
  };
}

function describe({ phase, oldPid, newPid, connections }: ReloadStatus): string {
  switch (phase) {
    case "starting":
      return `waiting for ${newPid === null ? "another copy" : `process ${newPid}`} to serve; process ${oldPid} serves meanwhile`;
    case "draining":
      return `process ${newPid} serves; waiting for ${plural(connections.left, "connection")} of process ${oldPid}`;
    case "stopping":
      return `process ${newPid} serves; waiting for process ${oldPid} to end`;
    default:
      return phase;
  }
}
