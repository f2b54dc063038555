import { constants, linux } from "./libc.ts";

/** Milliseconds of processor time, of all threads, between two calls. */
const interval = 100;

const alarms = new Set<() => void>();
let handled = false;

/**
 * Has `alarm` called again and again while the process uses processor time, and not at all while it rests, which no timer
 * does. By SIGPROF (setitimer(2), ITIMER_PROF), which children do not inherit. On Linux only; elsewhere it is never called.
 */
export function startProcessorAlarm(alarm: () => void): void {
  if (linux === null) return;
  alarms.add(alarm);
  if (!handled) {
    // For good: a signal may be on its way when the last alarm is stopped, and it ends a process that does not handle it.
    process.on("SIGPROF", () => {
      for (const each of alarms) each();
    });
    handled = true;
  }
  setTimer(interval);
}

export function stopProcessorAlarm(alarm: () => void): void {
  if (alarms.delete(alarm) && alarms.size === 0) setTimer(0);
}

/** struct itimerval: the interval and the first time, each as seconds and microseconds. */
function setTimer(milliseconds: number): void {
  const time = BigInt(milliseconds) * 1_000n;
  linux?.setitimer(constants.ITIMER_PROF, new BigInt64Array([0n, time, 0n, time]), null);
}
