import type { Exit, ServiceState } from "./launchctl.ts";

/** How a service fares, in the words of the table. */
export type State =
  | "running"
  | "waiting for a connection"
  | "starting"
  | "stopping"
  | "keeps failing"
  | "not loaded"
  | "disabled";

/** What systemctl(1) gives for such a unit: 0 for one that does its work, 3 for one that does not. */
export function exitStatusOf(state: State): number {
  return state === "running" || state === "waiting for a connection" ? 0 : 3;
}

/** Seconds for which a job has to run before launchd starts it again at once (launchd.plist(5), ThrottleInterval). */
const usualMinimumRuntime = 10;

/**
 * Reads the state out of what launchd tells. `uptime` is for how many seconds its process has run, null where that is not known:
 * a job that crashes some time after each start is caught running.
 */
export function stateOf(loaded: ServiceState | null, disabled: boolean, uptime: number | null): State {
  if (loaded === null) return disabled ? "disabled" : "not loaded";
  const failed = loaded.spawnFailed || (loaded.exit !== null && hasFailed(loaded.exit));
  // The states that launchd knows: rundesk-ai/rundesk-cli (macOS 26.5).
  if (loaded.state === "SIGTERMed" || loaded.state === "SIGKILLed") return "stopping";
  if (loaded.pid !== null) {
    const young = uptime !== null && uptime < (loaded.minimumRuntime ?? usualMinimumRuntime);
    return failed && young && (loaded.runs ?? 0) > 1 ? "keeps failing" : "running";
  }
  if (loaded.spawnFailed) return "keeps failing";
  // Waiting for the throttle: a first start, and one after a clean end, is no failure (TOSS-Soft/toss-agent-runtime#38).
  if (loaded.state === "spawn scheduled") return failed ? "keeps failing" : "starting";
  return "waiting for a connection";
}

/** Whether a run ended other than asked for; SIGTERM is how everybody asks. */
export function hasFailed(exit: Exit): boolean {
  switch (exit.kind) {
    case "status":
      return exit.status !== 0;
    case "signal":
      return exit.signal !== 15;
    case "reason":
      return true;
  }
}
