import { UserError } from "../../errors.ts";
import type { Caller } from "../caller/caller.ts";
import { lsof } from "../launchd/domain.ts";
import { reachOf } from "../launchd/reach.ts";
import { restart } from "./restart.ts";
import { start } from "./start.ts";
import { stop, stopIdle } from "./stop.ts";
import { findTarget } from "./target.ts";

/** What is to become of a service. */
export type LifecycleCommand =
  | { kind: "stop"; label: string; idle: boolean }
  | { kind: "start"; label: string }
  | { kind: "restart"; label: string };

/**
 * Stops, starts or restarts a service of ours, and waits until that is done; `print` gets a line for what is waited for, and one for
 * what was found. Throws a UserError.
 */
export async function changeService(
  command: LifecycleCommand,
  caller: Caller,
  print: (text: string) => void,
): Promise<void> {
  const { kind, label } = command;
  const reach = reachOf(caller);
  if (reach === null) {
    throw new UserError(
      `cannot ${kind} ${label}: there is no launchd here; for a unit of systemd, systemctl ${kind} ${label}`,
    );
  }
  const target = await findTarget(kind, label, reach);
  switch (command.kind) {
    case "stop":
      return command.idle ? stopIdle(target, print) : stop(target, print);
    case "start":
      return start(target, { lsof, uid: caller.uid }, print);
    case "restart":
      return restart(target, print);
  }
}
