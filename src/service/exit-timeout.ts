import type { Settings } from "../settings/options.ts";
import { own } from "./check/inspection.ts";
import type { Dictionary } from "./plist/value.ts";

/**
 * Seconds from SIGTERM to SIGKILL where a plist has no ExitTimeOut: `launchctl print` says `exit timeout = 5` of such
 * jobs (glowinthedark/pylaunchd#1, bobmatnyc/trusty-tools#4393), and launchd logs "scheduling cleanup in 5 sec after
 * sending Terminated: 15" (elastic/elastic-agent#593). launchd.plist(5) calls it system-defined; the launchd of 2014
 * gave 20 (launchd-842, src/core.c:143).
 */
export const defaultExitTimeout = 5;

/**
 * The longest ExitTimeOut of an agent, in seconds: measured on macOS 26.6.1, 215 and 90 in the plist became 60 and 30
 * stayed 30 (NousResearch/hermes-agent, gateway/restart.py). No other measurement is known.
 */
export const longestAgentExitTimeout = 60;

/** Seconds by which ExitTimeOut has to be longer than the stop timeout: the end of the process takes time as well. */
export const leastMargin = 1;

/** The margin of the plists that we write; a job that has ended makes nobody wait for the rest of it. */
const margin = 5;

/** For a program that gets the sockets and stops by its own rules: what launchd gave in 2014. */
const passedExitTimeout = 20;

/** The seconds of a plist's ExitTimeOut; null where it has none that launchd obeys (launchd-842, src/core.c:2754). */
export function exitTimeoutOf(job: Dictionary): number | null {
  const value = own(job, "ExitTimeOut");
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : null;
}

/** The ExitTimeOut, in seconds, with which a stop may take as long as the settings allow; 0 is "never" (launchd.plist(5)). */
export function neededExitTimeout({ passSockets, stopTimeout }: Settings): number {
  if (passSockets) return passedExitTimeout;
  return stopTimeout === Number.POSITIVE_INFINITY ? 0 : Math.ceil(stopTimeout / 1000) + margin;
}
