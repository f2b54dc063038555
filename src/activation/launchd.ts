import { dlopen, type Pointer, read } from "bun:ffi";
import { UserError } from "../errors.ts";

/** What launch_activate_socket returned other than 0: an errno of macOS. */
export class LaunchdError extends UserError {
  constructor(
    readonly errno: number,
    sentence: string,
  ) {
    super(sentence);
  }
}

/** The errors that launch_activate_socket(3) documents; numbers from xnu's bsd/sys/errno.h. */
export const ENOENT = 2;
export const ESRCH = 3;
export const EALREADY = 37;

/**
 * Takes all listening descriptors of the plist's socket `name` over from launchd; the caller owns them. Works once for
 * each name in the life of a process. Throws a LaunchdError that says what to change.
 */
export function activateLaunchSocket(name: string): number[] {
  const { symbols: launchd } = dlopen(LAUNCHD_LIBRARY, {
    launch_activate_socket: { args: ["cstring", "ptr", "ptr"], returns: "i32" },
    free: { args: ["ptr"], returns: "void" },
  });
  const array = new BigUint64Array(1);
  const count = new BigUint64Array(1);
  const errno = launchd.launch_activate_socket(Buffer.from(`${name}\0`), array, count);
  if (errno !== 0) throw new LaunchdError(errno, explain(errno, name));
  const pointer = Number(array[0]) as Pointer;
  const descriptors = Array.from({ length: Number(count[0]) }, (_, index) => read.i32(pointer, index * 4));
  launchd.free(pointer);
  if (descriptors.length === 0) {
    throw new LaunchdError(
      0,
      `launchd has no descriptor for the socket "${name}"; check its entry under Sockets in the plist`,
    );
  }
  return descriptors;
}

/** The label of the job: launchd sets XPC_SERVICE_NAME for each, as `launchctl print` shows under `environment`; "0" is what it sets where there is no job. */
export function launchdLabel({ XPC_SERVICE_NAME }: Record<string, string | undefined>): string | null {
  return XPC_SERVICE_NAME && XPC_SERVICE_NAME !== "0" ? XPC_SERVICE_NAME : null;
}

function explain(errno: number, name: string): string {
  switch (errno) {
    case ENOENT:
      return `no socket named "${name}" in the job's plist (it is the key under Sockets); rename the key or set LAUNCH_DAEMON_SOCKET_NAME`;
    case ESRCH:
      return "this process was not started by launchd; load the plist with launchctl bootstrap, or try things out with --listen";
    case EALREADY:
      return `the socket "${name}" was taken over already in this run of the job; name it once only`;
    default:
      return `launch_activate_socket("${name}") returned error ${errno}; see the system log`;
  }
}
