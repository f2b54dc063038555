/** What bun-types 1.4.5 does not declare, as checked on Bun 1.4.5. */
import type { FdSocketOptions, SocketListener } from "bun";

declare global {
  /** Set by scripts/build.ts: the library that has launch_activate_socket; empty where there is no launchd. */
  const LAUNCHD_LIBRARY: string;
}

declare module "bun" {
  /** Adopts the listening descriptor `options.fd`, which the listener owns from then on. */
  function listen<Data>(options: FdSocketOptions<Data>): SocketListener<Data>;
  interface Socket<Data> {
    readonly fd: number;
    readonly data: Data;
  }
}
