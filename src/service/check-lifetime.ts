import { defaultExitTimeout } from "./job.ts";
import { isDictionary } from "./plist.ts";
import { own, type Subject } from "./subject.ts";

/** ThrottleInterval's default in launchd.plist(5), in seconds. */
const defaultThrottle = 10;

/** When launchd starts the job, ends it, and starts it again. */
export function checkLifetime(subject: Subject): void {
  const { job, settings } = subject;
  if (own(job, "inetdCompatibility") !== undefined) {
    const why = "launchd then gives the sockets to the job as inetd does, and there is nothing left to activate";
    subject.error("inetdCompatibility", why, "leave it out");
  }
  if (settings === null) return;
  const exitTimeout = own(job, "ExitTimeOut") ?? defaultExitTimeout;
  if (exitTimeout !== 0 && Number(exitTimeout) * 1000 <= settings.stopTimeout) {
    const why = `launchd kills the job after ${exitTimeout} s, before LAUNCH_PROGRAM_STOP_TIMEOUT is over`;
    const seconds = settings.stopTimeout === Number.POSITIVE_INFINITY ? 0 : Math.ceil(settings.stopTimeout / 1000) + 5;
    subject.note("ExitTimeOut", why, `set it to ${seconds}`);
  }
  if (settings.exitIdleTime === Number.POSITIVE_INFINITY) return;
  const idle = "EnvironmentVariables.LAUNCH_DAEMON_EXIT_IDLE_TIME";
  const throttle = Number(own(job, "ThrottleInterval") ?? defaultThrottle);
  if (settings.exitIdleTime < throttle * 1000) {
    const why = `launchd starts a job that ran for less than ${throttle} s again only when they are over, and the next client waits`;
    subject.note(idle, why, `set it to ${throttle}s or more`);
  }
  const keepAlive = own(job, "KeepAlive");
  const restarts = isDictionary(keepAlive) ? own(keepAlive, "SuccessfulExit") === true : keepAlive === true;
  if (restarts) {
    subject.note("KeepAlive", "launchd starts the job again whenever it has ended for being idle", "leave it out");
  }
}
