import { getSystemErrorName } from "node:util";
import { UserError } from "../errors.ts";
import { log } from "../log.ts";
import { execute, exitNow, withOpenFilesLimit } from "../system/process.ts";
import type { ListeningSocket } from "../system/sockets.ts";
import { findProgram, requireExecutable, startError } from "./path.ts";
import { openFiles } from "./program.ts";

/**
 * Becomes the program, with the sockets at descriptor 3 and up, told to it as sd_listen_fds(3) defines: `LISTEN_FDS`,
 * `LISTEN_PID` and `LISTEN_FDNAMES`. The process id stays, so launchd supervises the server itself. Throws a UserError while
 * nothing has been done; a failure of the exec itself is said on stderr and exits 1.
 */
export function becomeProgram(
  command: [string, ...string[]],
  sockets: ListeningSocket[],
  search: string | undefined,
): never {
  const bad = sockets.find(({ name }) => name.includes(":"));
  if (bad !== undefined) {
    throw new UserError(
      `cannot pass the socket "${bad.name}": LISTEN_FDNAMES separates names by ":"; rename the socket`,
    );
  }
  const [name, ...args] = command;
  const path = findProgram(name, search);
  requireExecutable(name, path);
  const variables = {
    LISTEN_FDS: String(sockets.length),
    LISTEN_PID: String(process.pid),
    LISTEN_FDNAMES: sockets.map(({ name }) => name).join(":"),
  };
  // The locks of paths that we bound come after the sockets and are not told: the program listens there, and so holds them.
  const locks = sockets.flatMap(({ claim }) => (claim === undefined ? [] : [claim.lock]));
  const descriptors = [...sockets.map(({ fd }) => fd), ...locks];
  const errno = withOpenFilesLimit(openFiles, () => execute(path, [name, ...args], variables, descriptors));
  log.error(startError(name, path, getSystemErrorName(-errno)).message);
  exitNow(1);
  throw new Error("the process has exited");
}
