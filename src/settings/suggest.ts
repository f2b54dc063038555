/** The name that was probably meant: the nearest by insertions, deletions and substitutions, if it is near enough. */
export function nearest(name: string, names: readonly string[], limit = 3): string | undefined {
  let best: string | undefined;
  let least = limit + 1;
  for (const candidate of names) {
    const steps = distance(name.toLowerCase(), candidate.toLowerCase());
    if (steps >= least) continue;
    best = candidate;
    least = steps;
  }
  return best;
}

/** The names, the nearest first; equally near ones in their order. */
export function byNearness(name: string, names: readonly string[]): string[] {
  const steps = (candidate: string) => distance(name.toLowerCase(), candidate.toLowerCase());
  return names.toSorted((one, other) => steps(one) - steps(other));
}

/** Levenshtein's distance. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, char] of [...from].entries()) {
    const next = [index + 1];
    for (let column = 0; column < to.length; column++) {
      const substituted = (row[column] ?? 0) + (char === to[column] ? 0 : 1);
      next.push(Math.min(substituted, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
