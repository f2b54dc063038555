import { UserError } from "../../errors.ts";
import { hasChanged } from "../launchd/changed.ts";
import { exitTimeout } from "../launchd/installed.ts";
import { beginRun, endRun, waitUntilSteady } from "./run.ts";
import { waiting } from "./stop.ts";
import type { Target } from "./target.ts";

/**
 * Ends a service's process in order and starts it again, while launchd keeps its sockets: clients wait in their queue, and none is
 * lost. So never by bootout, which closes them, nor by kickstart -k, which sends SIGKILL. One that does not run is started. Prints
 * what it waits for and what came of it. Throws a UserError.
 */
export async function restart(target: Target, print: (text: string) => void): Promise<void> {
  const { label, loaded, file } = target;
  if (loaded === null) throw new UserError(`cannot restart ${label}: launchd has not loaded it; --start does that`);
  try {
    let before = loaded;
    if (loaded.pid !== null) {
      const seconds = exitTimeout(loaded, file?.job ?? null);
      print(`${waiting(label, loaded.pid, seconds)}; new clients wait in its queue`);
      before = await endRun(target, loaded.pid, seconds);
    }
    await beginRun(target);
    print(`waiting for ${label} to run`);
    print(`${label} runs again (pid ${await waitUntilSteady(target, before.runs)})`);
    // launchd keeps what it has loaded, and lets go of it with the sockets alone.
    if (file?.job && hasChanged(loaded, file.job)) {
      print(
        `${target.path} has changed since launchd loaded it: --stop and --start read it, and close the port meanwhile`,
      );
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`cannot restart ${label}: ${error.message}; --status ${label} looks for the reason`);
  }
}
