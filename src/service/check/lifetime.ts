import {
  defaultExitTimeout,
  exitTimeoutOf,
  leastMargin,
  longestAgentExitTimeout,
  neededExitTimeout,
} from "../exit-timeout.ts";
import { isDictionary } from "../plist/value.ts";
import { describe, type Inspection, own } from "./inspection.ts";
import { isStrings } from "./settings.ts";

/** Seconds between two starts: ThrottleInterval's default in launchd.plist(5); `minimum runtime = 10` of launchctl print. */
const defaultThrottle = 10;

/** When launchd starts the job, ends it, and starts it again. */
export function checkLifetime(inspection: Inspection): void {
  const { job, settings } = inspection;
  if (own(job, "inetdCompatibility") !== undefined) {
    const why = "launchd then gives the sockets to the job as inetd does, and there is nothing left to activate";
    inspection.error("inetdCompatibility", why, "leave it out");
  }
  checkExitTimeout(inspection);
  if (settings === null || settings.exitIdleTime === Number.POSITIVE_INFINITY) return;
  const idle = inspection.settingKey("LAUNCH_DAEMON_EXIT_IDLE_TIME");
  const throttle = Number(own(job, "ThrottleInterval") ?? defaultThrottle);
  if (settings.exitIdleTime < throttle * 1000) {
    const why = `launchd starts a job at most once in ${throttle} s, so the next client may wait`;
    inspection.note(idle, why, `set it to ${throttle}s or more`);
  }
  const keepAlive = own(job, "KeepAlive");
  const restarts = isDictionary(keepAlive) ? own(keepAlive, "SuccessfulExit") === true : keepAlive === true;
  if (restarts) {
    inspection.note("KeepAlive", "launchd starts the job again whenever it has ended for being idle", "leave it out");
  }
}

/** launchd's patience with a stop, and ours. */
function checkExitTimeout(inspection: Inspection): void {
  const { job, settings, kind } = inspection;
  const key = "ExitTimeOut";
  const given = own(job, key);
  const value = exitTimeoutOf(job);
  if (given !== undefined && value === null) {
    const what = typeof given === "number" ? `it is ${given}` : `it is ${describe(given)}`;
    inspection.error(key, `${what}, and launchd wants whole seconds`, "write it as <integer>");
  }
  if (kind === "agent" && value === 0) {
    inspection.note(key, "0 means never, but it is not known whether launchd honours it in an agent", "write 60");
  }
  if (kind === "agent" && value !== null && value > longestAgentExitTimeout) {
    const why = `it is ${value}, and launchd cuts it to ${longestAgentExitTimeout} in an agent`;
    inspection.note(key, why, `write ${longestAgentExitTimeout} or less, or make it a daemon`);
  }
  if (settings === null || settings.passSockets || value === 0) return;
  const seconds =
    kind === "agent" && value !== null ? Math.min(value, longestAgentExitTimeout) : (value ?? defaultExitTimeout);
  if (seconds * 1000 >= settings.stopTimeout + leastMargin * 1000) return;
  const source = value === null ? " (its default, since the key is missing)" : "";
  const stop = settings.stopTimeout === Number.POSITIVE_INFINITY ? "for ever" : `${settings.stopTimeout / 1000} s`;
  const words = own(job, "ProgramArguments");
  const isFlag = isStrings(words) && words.some((word) => /^--stop-timeout(=|$)/.test(word));
  const name = isFlag ? "--stop-timeout" : "LAUNCH_PROGRAM_STOP_TIMEOUT";
  const origin = isFlag || inspection.environment[name] ? name : "its default";
  const why = `launchd kills the job ${seconds} s after SIGTERM${source}, and a stop may take ${stop} (${origin})`;
  const needed = neededExitTimeout(settings);
  const isPossible = kind === "daemon" || (needed > 0 && needed <= longestAgentExitTimeout);
  const longer = isPossible ? `set it to ${needed}` : "make it a daemon";
  const most = seconds - leastMargin;
  const shorter = most > 0 ? `, or set ${name} to ${most}s or less` : "";
  inspection.note(key, why, `${longer}${shorter}`);
}
