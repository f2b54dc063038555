/**
 * Asks `done` now and at growing intervals of up to 250 ms, with the time of performance.now(), and calls `then` once it says
 * yes. Returns what takes this back.
 */
export function poll(done: (now: number) => boolean, then: () => void): () => void {
  let timer: Timer | undefined;
  const ask = (interval: number) => {
    if (done(performance.now())) then();
    else timer = setTimeout(() => ask(Math.min(interval * 2, 250)), interval);
  };
  ask(2);
  return () => clearTimeout(timer);
}
