import { UserError } from "../log.ts";

/** The environment without the protocol's variables where they are meant for this process, which alone they are for (sd_listen_fds(3)). */
export function withoutSystemdVariables(
  environment: Record<string, string | undefined>,
): Record<string, string | undefined> {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES, ...rest } = environment;
  return Number(LISTEN_PID) === process.pid ? rest : environment;
}

/** The first descriptor that is passed: SD_LISTEN_FDS_START of sd-daemon.h. */
const firstDescriptor = 3;

/**
 * The descriptors that systemd (or systemd-socket-activate) passed to this process, by sd_listen_fds_with_names(3):
 * those of the given name, or all. The caller owns them. Throws a UserError when there are none.
 */
export function takeSystemdSockets(
  environment: Record<string, string | undefined>,
  name: string | undefined,
): { fd: number; name: string }[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  if (!LISTEN_FDS || Number(LISTEN_PID) !== process.pid) {
    throw new UserError(
      "this process was not started by systemd's socket activation; start it by a .socket unit, or try things out with --listen",
    );
  }
  const count = Number(LISTEN_FDS);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new UserError(
      `LISTEN_FDS is ${JSON.stringify(LISTEN_FDS)} and not a number of sockets; start it by a .socket unit`,
    );
  }
  const names = LISTEN_FDNAMES?.split(":") ?? [];
  const all = Array.from({ length: count }, (_, index) => ({
    fd: firstDescriptor + index,
    name: names[index] ?? "unknown",
  }));
  const chosen = name === undefined ? all : all.filter((socket) => socket.name === name);
  if (chosen.length === 0) {
    const known = [...new Set(all.map((socket) => `"${socket.name}"`))].join(", ");
    throw new UserError(
      `no socket named "${name}" was passed, only ${known}; set FileDescriptorName= in the .socket unit`,
    );
  }
  return chosen;
}
