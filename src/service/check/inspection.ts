import type { Stats } from "node:fs";
import type { ProgramCommand } from "../../settings/command-line.ts";
import type { Settings } from "../../settings/options.ts";
import { type RouteSetting, routesOf } from "../../settings/routes.ts";
import { type Dictionary, isDictionary, type PlistValue } from "../plist/value.ts";
import type { Account, Machine } from "./machine.ts";

/** Something that launchd or this program would reject or misread. */
export interface Finding {
  /** An error will not work or lets somebody in; a note may surprise. */
  severity: "error" | "note";
  /** Where it is: `Sockets.Socket.SockServiceName`; `file` for the file itself. */
  key: string;
  /** What is wrong with it, and what comes of it. */
  why: string;
  /** What to do about it. */
  fix: string;
}

/** A property list as it lies, or is to lie, on disk. */
export interface PlistFile {
  path: string;
  bytes: Uint8Array;
  /** Its owner and permissions; null where they do not matter. */
  stats: Stats | null;
  /** The system's daemons run as root unless told otherwise; a user's agents run as that user. */
  kind: "daemon" | "agent";
  /** The log that is made, for the job's user, before the job is loaded. */
  makesLog?: string | undefined;
}

/** A property list under examination: what its rules share, and what they have found. */
export class Inspection {
  readonly findings: Finding[] = [];
  /** Who the job runs as; null while that is unknown or unknowable. */
  account: Account | null = null;
  /** The variables that are texts. */
  environment: Record<string, string> = {};
  /** Null while they have not been read, or cannot be. */
  settings: Settings | null = null;
  /** The program that is run; null for none, or while it is unknown. */
  program: ProgramCommand | null = null;

  constructor(
    readonly job: Dictionary,
    readonly kind: "daemon" | "agent",
    readonly machine: Machine,
    /** Whether the job is another machine's: then nothing is said of users, files and addresses, which are that machine's. */
    readonly portable: boolean,
  ) {}

  error(key: string, why: string, fix: string): void {
    this.findings.push({ severity: "error", key, why, fix });
  }

  note(key: string, why: string, fix: string): void {
    this.findings.push({ severity: "note", key, why, fix });
  }

  /** Which sockets go to which targets; none while the settings are unknown, or where the program gets the sockets. */
  get routes(): RouteSetting[] {
    return this.settings === null || this.settings.passSockets ? [] : routesOf(this.settings);
  }

  /** Where the job starts: launchd's default is the root folder. */
  get workingFolder(): string {
    const folder = own(this.job, "WorkingDirectory");
    return typeof folder === "string" && folder.startsWith("/") ? folder : "/";
  }

  /** The key that holds a setting: that of the first of its variables which the job has, else the arguments. */
  settingKey(...variables: string[]): string {
    const variable = variables.find((name) => this.environment[name]);
    return variable === undefined ? "ProgramArguments" : `EnvironmentVariables.${variable}`;
  }

  /** For a path that who runs the checks cannot look at; what is wrong with it stays unknown. */
  noteHidden(key: string, path: string): void {
    this.note(key, `${path} is out of reach of the user who runs the checks`, "check again with sudo");
  }

  /** The text of a key; a value that is not text is an error and counts as missing, as launchd has it. */
  text(key: string, dictionary: Dictionary = this.job, path = key): string | undefined {
    const value = own(dictionary, key);
    if (value === undefined || typeof value === "string") return value;
    this.error(path, `it is ${describe(value)}, and launchd wants a string`, "write it as <string>");
    return undefined;
  }

  dictionary(key: string): Dictionary | undefined {
    const value = own(this.job, key);
    if (value === undefined || isDictionary(value)) return value;
    this.error(key, `it is ${describe(value)}, and launchd wants a dictionary`, "write it as <dict>");
    return undefined;
  }
}

/** A key's value, never one that every object has. */
export function own(dictionary: Dictionary, key: string): PlistValue | undefined {
  return Object.hasOwn(dictionary, key) ? dictionary[key] : undefined;
}

/** What kind of value it is, for a sentence. */
export function describe(value: PlistValue): string {
  if (Array.isArray(value)) return "an array";
  if (isDictionary(value)) return "a dictionary";
  switch (typeof value) {
    case "string":
      return "a string";
    case "number":
    case "bigint":
      return "a number";
    case "boolean":
      return "a boolean";
    default:
      return "neither text nor a number";
  }
}
