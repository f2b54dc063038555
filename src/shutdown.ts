import { log } from "./log.ts";
import { describeExit, type Exit, hasFailed, type Program } from "./program/program.ts";
import type { Signals } from "./program/signals.ts";
import type { Relay } from "./proxy/relay.ts";

/** A signal to stop may go to the program and to us alike (systemd, a process group); ours may be seen so many milliseconds later. */
const togetherFor = 100;

/**
 * The program has exited unasked: what it sent is delivered, for at most `stopTimeout` milliseconds or until a signal
 * comes. Returns our exit code.
 */
export async function finish(
  exit: Exit,
  relay: Relay,
  program: Program,
  stopTimeout: number,
  signals: Signals,
): Promise<number> {
  relay.stopAccepting();
  relay.abandonDials();
  const failed = hasFailed(exit);
  if (failed && (await Promise.race([signals.stop.then(() => true), elapsed(togetherFor).then(() => false)]))) {
    return stop(relay, program, stopTimeout, signals);
  }
  const daemonized = !failed && !relay.reached && performance.now() - program.started < 1_000;
  if (failed || daemonized) {
    const advice = daemonized ? "; a server must stay in the foreground (nginx: daemon off;)" : "";
    log.error(`program \`${program.name}' exited: ${describeExit(exit)}${advice}`);
  }
  if (failed) relay.programCrashed();
  await Promise.race([relay.drain(stopTimeout, signals.force), signals.stop]);
  return failed ? 1 : 0;
}

/**
 * A stop in order. Most servers die at once on SIGTERM, so transfers are let end before; then the program is asked to
 * end, and killed when `stopTimeout` milliseconds are over. Returns our exit code.
 */
export async function stop(
  relay: Relay,
  program: Program | null,
  stopTimeout: number,
  signals: Signals,
): Promise<number> {
  const deadline = performance.now() + stopTimeout;
  log.info("stopping");
  if (program !== null) program.stopping = true;
  relay.stopAccepting();
  program?.exited.then(() => relay.abandonDials());
  await relay.drain(stopTimeout / 2, signals.force);
  if (program === null) return 0;

  if (signals.forProgram !== null) program.signal(signals.forProgram);
  await Promise.race([program.exited, elapsed(deadline - performance.now()), aborted(signals.kill)]);
  const killed = program.running;
  if (killed) {
    log.error(`program \`${program.name}' did not end in time and was killed`);
    program.signal("SIGKILL");
    await program.exited;
  }
  relay.abandonDials();
  await relay.drain(deadline - performance.now(), signals.kill);
  return killed ? 1 : 0;
}

function elapsed(milliseconds: number): Promise<void> {
  if (milliseconds === Number.POSITIVE_INFINITY) return new Promise(() => {});
  return Bun.sleep(Math.max(0, milliseconds));
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}
