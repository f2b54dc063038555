import { waitFor } from "./wait.ts";

/**
 * A TCP port of `host` on which nobody listens. It lies below those that systems hand out by themselves (32768 and up on
 * Linux, ip(7); 49152 and up on macOS), so that no connection of another test takes it before it is used.
 */
export function freePort(host = "127.0.0.1"): number {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_768);
    if (isFree(port, host)) return port;
  }
}

/** Waits until nobody listens on a port of 127.0.0.1 that a test cannot choose, such as 80. */
export async function untilFree(port: number): Promise<void> {
  await waitFor(`port ${port} to be free`, () => isFree(port, "127.0.0.1"), 60_000);
}

function isFree(port: number, hostname: string): boolean {
  try {
    Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
}
