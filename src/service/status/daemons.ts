import { askStatus, NoAnswer, type Place } from "../../control/client.ts";
import { daemonsIn, folderOf, folderProblem, usersWithFolder } from "../../control/folder.ts";
import type { Status } from "../../control/protocol.ts";
import { isAlive, usersOf } from "../../system/process.ts";
import type { Entry } from "./entry.ts";

/**
 * The daemons that can be asked: a user's own, and for root everybody's, in the order of their users and process ids. What only looks
 * like a daemon's socket is passed over; a daemon that does not answer is among them.
 */
export async function daemonsOf(uid: number, parent?: string): Promise<Entry[]> {
  const users = uid === 0 ? usersWithFolder(parent).sort((a, b) => a - b) : [uid];
  const folders = users.filter((user) => folderProblem(folderOf(user, parent), user) === null);
  // A user may put any names there: processes that have a folder elsewhere, and ever so many that there are not.
  const pids = [...new Set(folders.flatMap((user) => daemonsIn(folderOf(user, parent))))].filter(isAlive);
  const owners = usersOf(pids);
  const found = await Promise.all(
    pids.map((pid) =>
      daemonOf(pid, { parent, uid: owners.get(pid) ?? null }).catch((error) =>
        error instanceof NoAnswer ? null : Promise.reject(error),
      ),
    ),
  );
  return found.filter((entry) => entry !== null);
}

/** The daemon of a process, which may be one that does not answer. Throws a NoAnswer where there is none, or none that may be asked. */
export async function daemonOf(pid: number, where?: Place): Promise<Entry> {
  try {
    return entryOf(await askStatus(pid, where));
  } catch (error) {
    if (!(error instanceof NoAnswer) || !["silent", "refused"].includes(error.kind)) throw error;
    return silentEntry(pid, error.message);
  }
}

/** A daemon by its own account. */
export function entryOf(status: Status): Entry {
  const { label, unit, pid, addresses, programs } = status;
  const [program] = programs;
  const works = program?.state !== "stopping";
  return {
    name: label ?? unit,
    state: works ? "running" : "stopping",
    works,
    pid,
    addresses: [...new Set(addresses.map(({ listen }) => listen))],
    program: program?.command ?? null,
    status,
    problem: null,
    lastEnd: null,
    log: null,
    causes: [],
    tail: null,
  };
}

function silentEntry(pid: number, problem: string): Entry {
  return {
    name: null,
    state: "does not answer",
    works: false,
    pid,
    addresses: [],
    program: null,
    status: null,
    problem,
    lastEnd: null,
    log: null,
    causes: [],
    tail: null,
  };
}
