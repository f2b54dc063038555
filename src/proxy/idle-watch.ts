import { formatDuration } from "../settings/parsers.ts";
import type { Clock, TimeEvent } from "./clock.ts";
import type { Connection } from "./connection.ts";

/** How often connections are looked at within the time for which they have to be at rest. */
const looks = 8;

/**
 * Finds out when there was no connection for a time, or none but at rest. It looks at connections now and then, so that their bytes
 * cost nothing: the time begins with the first look that finds all at rest, and with each that comes or goes.
 */
export class IdleWatch implements TimeEvent {
  readonly time: number;
  readonly atRest: boolean;
  appointment: TimeEvent["appointment"] = null;
  #timer: Timer | undefined;
  /** What had moved when all were found at rest; NaN where they were not. */
  #moved = Number.NaN;
  #since = 0;

  constructor(
    readonly connections: ReadonlySet<Connection>,
    /** Milliseconds, Infinity for never; and whether connections at rest count as none. */
    limits: { exitIdleTime: number; exitIdleAtRest: boolean },
    readonly clock: Clock,
    /** Called when the time is over, and again later if that did not end it. */
    readonly onIdle: () => void,
  ) {
    this.time = limits.exitIdleTime;
    this.atRest = limits.exitIdleAtRest;
  }

  /** Begins; or a connection has come or gone. */
  restart(): void {
    if (this.time === Number.POSITIVE_INFINITY) return;
    this.#moved = Number.NaN;
    clearTimeout(this.#timer);
    if (this.connections.size === 0) this.#timer = setTimeout(this.onIdle, this.time);
    else if (this.atRest && this.appointment === null) this.clock.schedule(this, this.time / looks);
  }

  /** The end of an idle time with so many connections at rest, for the log. */
  describe(connections: number): string {
    if (connections === 0) return `no connection for ${this.time / 1000} s`;
    const those = connections === 1 ? "1 connection" : `${connections} connections`;
    return `idle: ${those} at rest for ${formatDuration(this.time)}`;
  }

  tick(now: number): number {
    if (this.connections.size === 0) return Number.POSITIVE_INFINITY;
    let moved = 0;
    for (const connection of this.connections) moved += connection.moved;
    const isSame = moved === this.#moved;
    const left = this.#since + this.time - now;
    if (isSame && left > 0) return Math.min(left, this.time / looks);
    const areAtRest = [...this.connections].every((connection) => connection.atRest);
    this.#moved = areAtRest ? moved : Number.NaN;
    this.#since = now;
    if (areAtRest && isSame) this.onIdle();
    return this.time / looks;
  }

  /** Closes all connections, each after one more look, and returns whether all are closed: at the first that is not at rest any more it stops. */
  closeAll(): boolean {
    for (const connection of this.connections) if (!connection.closeAtRest()) return false;
    return true;
  }
}
