import type { Copies } from "./copies.ts";
import { log } from "./log.ts";
import { describeExit, type Exit, hasFailed } from "./program/program.ts";
import type { Signals } from "./program/signals.ts";
import type { Relay } from "./proxy/relay.ts";

/** A signal to stop may go to the program and to us alike (systemd, a process group); ours may be seen so many milliseconds later. */
const togetherFor = 100;

/**
 * The program has exited unasked: what it sent is delivered, for at most `stopTimeout` milliseconds or until a signal
 * comes; another copy of it is stopped meanwhile. Returns our exit code.
 */
export async function finish(
  exit: Exit,
  relay: Relay,
  copies: Copies,
  stopTimeout: number,
  signals: Signals,
): Promise<number> {
  const deadline = performance.now() + stopTimeout;
  const { program, targets } = copies.serving;
  relay.stopAccepting();
  relay.abandonDials();
  const failed = hasFailed(exit);
  if (failed && (await Promise.race([signals.stop.then(() => true), Bun.sleep(togetherFor).then(() => false)]))) {
    return stop(relay, copies, stopTimeout, signals);
  }
  const running = performance.now() - (program?.started ?? 0);
  const daemonized = !failed && !relay.reached && running < 1_000;
  if (failed || daemonized) {
    const advice = daemonized ? "; a server must stay in the foreground (nginx: daemon off;)" : "";
    log.error(`program \`${program?.name}' exited: ${describeExit(exit)}${advice}`);
  }
  if (failed) relay.programCrashed(targets);
  const otherEnds = copies.other?.program?.end("SIGTERM", deadline, signals.kill);
  await Promise.race([relay.drain(stopTimeout, signals.force), signals.stop]);
  await otherEnds;
  return failed ? 1 : 0;
}

/**
 * A stop in order. Most servers die at once on SIGTERM, so transfers are let end before; then the program is asked to
 * end, and killed when `stopTimeout` milliseconds are over. So is another copy of it. Returns our exit code.
 */
export async function stop(relay: Relay, copies: Copies, stopTimeout: number, signals: Signals): Promise<number> {
  const deadline = performance.now() + stopTimeout;
  log.info("stopping");
  const { program } = copies.serving;
  const programs = [program, copies.other?.program ?? null].filter((program) => program !== null);
  for (const program of programs) program.stopping = true;
  relay.stopAccepting();
  program?.exited.then(() => relay.abandonDials());
  await relay.drain(stopTimeout / 2, signals.force);
  if (program === null) return 0;

  const ends = programs.map((program) => program.end(signals.forProgram, deadline, signals.kill));
  const [inTime] = await Promise.all(ends);
  relay.abandonDials();
  await relay.drain(deadline - performance.now(), signals.kill);
  return inTime ? 0 : 1;
}
