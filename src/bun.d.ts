/** What bun-types 1.4.5 does not declare, as checked on Bun 1.4.5. */
import type { FdSocketOptions, Socket, SocketListener } from "bun";

declare global {
  /** Set by scripts/build.ts: the library that has launch_activate_socket; empty where there is no launchd. */
  const LAUNCHD_LIBRARY: string;
  /** Set by scripts/build.ts: the launchctl that services are installed with. */
  const LAUNCHCTL: string;
  /** Set by scripts/build.ts: the lsof and the sfltool that say why a service does not work. */
  const LSOF: string;
  const SFLTOOL: string;
  /** Set by scripts/build.ts: what stands before /Library/LaunchDaemons; empty but for the tests. */
  const INSTALL_ROOT: string;
}

declare module "bun" {
  /** Adopts the listening descriptor `options.fd`, which the listener owns from then on. */
  function listen<Data>(options: FdSocketOptions<Data>): SocketListener<Data>;
  /** Adopts the connected descriptor `options.fd`, which the socket owns from then on; `open` is called before this returns. */
  function connect<Data>(options: FdSocketOptions<Data>): Promise<Socket<Data>>;
  interface Socket<Data> {
    readonly fd: number;
    readonly data: Data;
  }
}
