import type { Connection } from "./connection.ts";
import { Inactivity } from "./inactivity.ts";

/** A connection without a byte for so many milliseconds is not waited for. */
const quietLimit = 500;

/**
 * Resolves once every connection has ended, has gone quiet or has nothing left to deliver, at the latest after
 * `timeout` milliseconds or when `force` is aborted.
 */
export async function drain(connections: ReadonlySet<Connection>, timeout: number, force: AbortSignal): Promise<void> {
  const start = performance.now();
  const quiet = new Map([...connections].map((connection) => [connection, new Inactivity()]));
  const isDrained = (connection: Connection, now: number) => {
    const quietFor = quiet.get(connection)?.lasting(now, connection.moved) ?? 0;
    return connection.delivered || (!connection.pending && quietFor >= quietLimit);
  };
  for (let now = start; now - start < timeout && !force.aborted; now = performance.now()) {
    if ([...connections].every((connection) => isDrained(connection, now))) return;
    await Bun.sleep(10);
  }
}
