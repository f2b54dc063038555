import { join } from "node:path";
import { UserError } from "../../errors.ts";
import type { Machine } from "../check/machine.ts";
import type { ServiceDescription } from "../description.ts";
import type { NewLog } from "../install/log-file.ts";
import { type Caller, sudoUser } from "./caller.ts";
import { refuseFolder } from "./folder.ts";
import { findForJob, notFound, pathFor, type Search } from "./program.ts";

/** A service that has what it needs of its caller. */
export interface Prepared {
  service: ServiceDescription;
  /** What was taken, a line each. */
  taken: string[];
  /** Sentences. */
  notes: string[];
  /** The log that nobody has named: its folder, and for a daemon the file itself, is made before the job is loaded. Else null. */
  makesLog: NewLog | null;
}

/** Where a system keeps its users' homes and its daemons' logs, and who its users are. */
export interface Surroundings {
  machine: Machine;
  /** /Library/Logs. */
  logs: string;
}

/**
 * Takes from the caller what a job does not have by itself: the program's path, its folder in PATH, the working folder, the user and
 * a log; what the flags say stays. Throws a UserError for what cannot work; for another machine nothing has to be found.
 */
export function takeFromCaller(
  service: ServiceDescription,
  caller: Caller,
  kind: "daemon" | "agent",
  surroundings: Surroundings,
): Prepared {
  const { machine } = surroundings;
  const taken: string[] = [];
  const notes = [...service.notes];
  const user = kind === "daemon" ? takeUser(service, caller, taken) : service.user;
  const { program, environment } = takeProgram(service, caller, taken, notes);
  let workingDirectory: string | undefined;
  if (program !== null) {
    workingDirectory = caller.folder;
    refuseFolder(workingDirectory, user === undefined ? machine.self() : machine.user(user), machine.homes);
    taken.push(`working folder: ${workingDirectory}`);
  }
  const folder = kind === "daemon" ? surroundings.logs : join(caller.home, "Library/Logs");
  const log = service.log ?? join(folder, `${service.label}.log`);
  if (service.log === undefined) taken.push(`log: ${log}`);
  const makesLog = service.log === undefined ? { path: log, user: kind === "daemon" ? (user ?? null) : null } : null;
  return { service: { ...service, user, program, environment, workingDirectory, log }, taken, notes, makesLog };
}

function takeUser(service: ServiceDescription, caller: Caller, taken: string[]): string | undefined {
  if (service.user !== undefined) return service.user;
  const person = sudoUser(caller);
  if (person !== undefined) {
    taken.push(`user: ${person}, who called sudo`);
    return person;
  }
  if (!caller.jobsRunHere) return undefined;
  throw new UserError(
    `cannot make a daemon of ${service.label}: root has to say which user the program runs as; add --user NAME`,
  );
}

function takeProgram(
  service: ServiceDescription,
  caller: Caller,
  taken: string[],
  notes: string[],
): Pick<ServiceDescription, "program" | "environment"> {
  const { program, environment, loginShell } = service;
  if (program === null) return { program, environment };
  const [name, ...args] = program;
  // The shell's own PATH decides about a bare name.
  if (loginShell && !name.includes("/")) return { program, environment };
  const path = environment.get("PATH") ?? caller.environment.PATH;
  const search: Search = {
    path,
    folder: caller.folder,
    sudo: sudoUser(caller) !== undefined && !environment.has("PATH"),
  };
  const found = findForJob(name, search);
  if (found === null) {
    if (caller.jobsRunHere) throw notFound(name, search);
    notes.push(
      `${name} is not found on this system, and launchd looks in its own PATH alone; write the whole path that it has on the Mac`,
    );
    return { program, environment };
  }
  if (found.path !== name) taken.push(`program: ${found.path}`);
  notes.push(...found.notes);
  const fresh = environment.has("PATH") || loginShell ? undefined : pathFor(found.folders);
  if (fresh !== undefined) taken.push(`PATH: ${fresh}`);
  return {
    program: [found.path, ...args],
    environment: fresh === undefined ? environment : new Map([...environment, ["PATH", fresh]]),
  };
}
