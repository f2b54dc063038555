/** How long a count has stayed the same, as far as it was looked at. */
export class Inactivity {
  #count = Number.NaN;
  #since = 0;

  /** Milliseconds since `count` was first seen as it is now; `now` is the time of performance.now(). */
  lasting(now: number, count: number): number {
    if (count !== this.#count) [this.#since, this.#count] = [now, count];
    return now - this.#since;
  }
}
