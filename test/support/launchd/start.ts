import { closeSync, existsSync, fchmodSync, fchownSync, openSync } from "node:fs";
import { type Handover, lookUpUser, spawn, type User } from "./library.ts";
import type { JobDescription } from "./plist.ts";

/** Whom a job runs as (null: whoever runs the tests) and its whole environment. */
export interface Identity {
  user: User | null;
  environment: Record<string, string>;
}

const isRoot = process.getuid?.() === 0;

/**
 * Finds a job's user and the minimal environment that launchd gives: PATH, with a user also HOME, SHELL, USER and
 * LOGNAME, and above these what the plist says (launchd-842, src/launchd.c:171 and src/core.c:5118, which keeps variables
 * that are set). XPC_SERVICE_NAME, the label, is of today's launchd, which prints it in each job's `environment` block
 * (print.ts); that a plist's own wins is a guess. Throws where it takes root, or there is no such user or group.
 */
export function identify({ label, user, group, environment }: JobDescription): Identity {
  const path = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", XPC_SERVICE_NAME: label };
  if (isRoot && user === null && group === null) return { user: null, environment: { ...path, ...environment } };
  const found = lookUpUser(user ?? "", group ?? "");
  if (!isRoot && (found.uid !== process.getuid?.() || group !== null)) {
    throw new Error(`only root can run ${label} as ${found.name}${group === null ? "" : `:${group}`}`);
  }
  const variables = { HOME: found.home, SHELL: found.shell, USER: found.name, LOGNAME: found.name };
  return { user: isRoot ? found : null, environment: { ...path, ...variables, ...environment } };
}

/** Starts a job's process and returns its pid. Throws if a file cannot be opened or the program cannot be run. */
export function startProcess(
  description: JobDescription,
  { user, environment }: Identity,
  sockets: ReadonlyMap<string, readonly number[]>,
  handover: Handover,
): number {
  const files: number[] = [];
  const open = (path: string | null, flags: string) => {
    const fd = openFor(path ?? "/dev/null", flags, user, description.umask);
    files.push(fd);
    return fd;
  };
  try {
    const { stdin, stdout, stderr } = description;
    return spawn({
      ...description,
      environment,
      stdio: [open(stdin, "r"), open(stdout, "a"), open(stderr, "a")],
      sockets,
      handover,
      user,
      // `launchctl limit maxfiles` says 256 (soft) on a Mac where nobody has raised it.
      softLimit: description.softLimit ?? 256,
    });
  } finally {
    for (const fd of files) closeSync(fd);
  }
}

/**
 * Opens a file of the job; one that was not there belongs to the job's user. By root's rights: launchd-842 opens it
 * after it has become the user (src/core.c:5187), xpcproxy of macOS 26.5 before (rundesk-ai/rundesk-cli); which files that refuses is not played.
 */
function openFor(path: string, flags: string, user: User | null, umask: number | null): number {
  const fresh = !existsSync(path);
  const fd = openSync(path, flags, 0o666);
  if (fresh && umask !== null) fchmodSync(fd, 0o666 & ~umask);
  if (fresh && user !== null) fchownSync(fd, user.uid, user.gid);
  return fd;
}
