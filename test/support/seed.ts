/** What every random choice of the tests follows from. Set SEED to repeat a run; it is printed. */
export const seed = Number(process.env.SEED ?? crypto.getRandomValues(new Uint32Array(1))[0]) | 0;
console.log(`SEED=${seed}`);

/** Random numbers: `below(n)` is a whole number from 0 to n - 1. Each call begins the same sequence. */
export function randomNumbers(): { below: (limit: number) => number } {
  let state = seed >>> 0;
  // The generator is mulberry32: small, and good enough to choose places in a file.
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { below: (limit) => Math.floor(next() * limit) };
}
