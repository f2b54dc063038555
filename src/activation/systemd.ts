import { readFileSync } from "node:fs";
import { UserError } from "../errors.ts";
import { byNearness } from "../settings/suggest.ts";

/** The environment without the protocol's variables where they are meant for this process, which alone they are for (sd_listen_fds(3)). */
export function withoutSystemdVariables(
  environment: Record<string, string | undefined>,
): Record<string, string | undefined> {
  const { LISTEN_PID, LISTEN_PIDFDID, LISTEN_FDS, LISTEN_FDNAMES, ...rest } = environment;
  return Number(LISTEN_PID) === process.pid ? rest : environment;
}

/** The first descriptor that is passed: SD_LISTEN_FDS_START of sd-daemon.h. */
const firstDescriptor = 3;

/**
 * The descriptors that systemd (or systemd-socket-activate) passed to this process, by sd_listen_fds_with_names(3):
 * those of the given names, or all. The caller owns them. Throws a UserError when a name has none.
 */
export function takeSystemdSockets(
  environment: Record<string, string | undefined>,
  names: string[],
): { fd: number; name: string }[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  if (!LISTEN_FDS || Number(LISTEN_PID) !== process.pid) {
    throw new UserError(
      "this process was not started by systemd's socket activation; start it by a .socket unit, or try things out with --listen",
    );
  }
  const count = /^\d{1,5}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : 0;
  if (count < 1) {
    throw new UserError(
      `LISTEN_FDS is ${JSON.stringify(LISTEN_FDS)}, which is not a number of sockets; start it by a .socket unit`,
    );
  }
  const given = LISTEN_FDNAMES?.split(":") ?? [];
  const all = Array.from({ length: count }, (_, index) => ({
    fd: firstDescriptor + index,
    name: given[index] ?? "unknown",
  }));
  const missing = names.find((name) => !all.some((socket) => socket.name === name));
  if (missing !== undefined) {
    const passed = [...new Set(all.map((socket) => socket.name))];
    const known = byNearness(missing, passed)
      .map((name) => `"${name}"`)
      .join(", ");
    const asked = names.length > 1 ? ` (names given: ${names.join(", ")})` : "";
    throw new UserError(
      `no socket named "${missing}" was passed, only ${known}${asked}; set FileDescriptorName= in the .socket unit`,
    );
  }
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}

/**
 * The service that systemd has started this process for, or null: what SYSTEMD_EXEC_PID names (systemd.exec(5), since 248)
 * is in the control group of its unit. Children inherit the variable, and so it says whom it means.
 */
export function systemdUnit(
  { SYSTEMD_EXEC_PID }: Record<string, string | undefined>,
  groups = "/proc/self/cgroup",
): string | null {
  if (Number(SYSTEMD_EXEC_PID) !== process.pid) return null;
  try {
    // cgroups(7): `0::PATH`, and where there are groups of version 1 too, systemd's own in a line of that name.
    const path = readFileSync(groups, "utf8").match(/^(?:\d+:name=systemd|0:):(.*)$/m)?.[1];
    return path?.match(/[^/]+\.service$/)?.[0] ?? null;
  } catch {
    return null;
  }
}
