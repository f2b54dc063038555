import { dirname, resolve } from "node:path";
import { quote, UserError } from "../../errors.ts";
import { explainName, searchPath, standardPath } from "../../system/path-search.ts";
import { readScript } from "../../system/script.ts";
import { stat } from "../check/access.ts";

/** A program as a job can start it. */
export interface FoundProgram {
  /** Absolute, links not resolved: they stay right when what they lead to moves with an upgrade. */
  path: string;
  /** The folders that the job's PATH has to begin with. */
  folders: string[];
  /** Sentences. */
  notes: string[];
}

/** Where programs are looked for. */
export interface Search {
  path: string | undefined;
  folder: string;
  /** Whether PATH is the one that sudo leaves. */
  sudo: boolean;
}

/**
 * Finds the program as the caller's shell would, and the interpreter that env(1) would look up for it. Null where there is no such
 * program. Throws a UserError for an interpreter that is nowhere.
 */
export function findForJob(name: string, search: Search): FoundProgram | null {
  const path = name.includes("/") ? resolve(search.folder, name) : find(name, search.path, search.folder);
  if (path === undefined) return null;
  const own = dirname(path);
  const folders = name.includes("/") || isStandard(own) ? [] : [own];
  const script = readScript(path);
  const command = script !== null && script !== "bare" ? script.command : null;
  const notes = versionManagerNotes(path);
  if (command !== null && !command.includes("/")) {
    // A script's interpreter often lies beside it, which sudo's PATH does not know.
    const where = [...folders, own, ...(search.path ?? standardPath).split(":"), ...standardPath.split(":")].join(":");
    const interpreter = find(command, where, search.folder);
    if (interpreter === undefined) {
      const fix = search.sudo
        ? `write "$(command -v ${command})" before ${path}`
        : `install ${command}, or write its whole path before ${path}`;
      throw new UserError(
        `cannot run ${path} in a job: it is a script for ${command} (#!/usr/bin/env), which is not in ${search.sudo ? "the PATH that sudo leaves" : "PATH"} (${search.path ?? "not set"}); ${fix}`,
      );
    }
    const folder = dirname(interpreter);
    if (!isStandard(folder) && !folders.includes(folder)) folders.push(folder);
    if (notes.length === 0) notes.push(...versionManagerNotes(interpreter));
  }
  return { path, folders, notes };
}

/** The sentence for a program that is in no folder of PATH. */
export function notFound(name: string, { path, folder, sudo }: Search): UserError {
  const slip = explainName(name, path, folder);
  if (slip !== null) return new UserError(`cannot find the program ${quote(name)}: ${slip}`);
  const fix = sudo
    ? `write "$(command -v ${name})" in its place, which your own shell looks up before sudo runs`
    : "install it, or write its whole path";
  const where = sudo ? "the PATH that sudo leaves" : "PATH";
  return new UserError(`cannot find the program ${quote(name)}: it is not in ${where} (${path ?? "not set"}); ${fix}`);
}

/** PATH for a job whose programs lie in these folders; undefined where launchd's own will do. */
export function pathFor(folders: string[]): string | undefined {
  return folders.length === 0 ? undefined : [...folders, standardPath].join(":");
}

/** The first that is a file which somebody may execute. */
function find(name: string, path: string | undefined, folder: string): string | undefined {
  return searchPath(name, path, folder).find((candidate) => {
    const found = stat(candidate);
    return found?.isFile() && (found.mode & 0o111) !== 0;
  });
}

function isStandard(folder: string): boolean {
  return standardPath.split(":").includes(folder);
}

/**
 * What the programs of version managers need of the job, by the folders that their documentation names: a shim chooses the version
 * each time it runs, by files and variables that a shell sets.
 */
const versionManagers: { name: string; folder: RegExp; needs: string }[] = [
  {
    name: "asdf",
    folder: /\/\.asdf\/shims\//,
    needs: "a .tool-versions in the working folder or the user's home, and asdf in PATH",
  },
  { name: "mise", folder: /\/mise\/shims\//, needs: "a mise.toml or .tool-versions in the working folder or above it" },
  { name: "pyenv", folder: /\/\.pyenv\/shims\//, needs: "a .python-version in the working folder, or pyenv global" },
  { name: "rbenv", folder: /\/\.rbenv\/shims\//, needs: "a .ruby-version in the working folder, or rbenv global" },
  { name: "nodenv", folder: /\/\.nodenv\/shims\//, needs: "a .node-version in the working folder, or nodenv global" },
  { name: "volta", folder: /\/\.volta\/bin\//, needs: "the user's HOME, or VOLTA_HOME set by --env" },
];

function versionManagerNotes(path: string): string[] {
  if (/\/\.nvm\/versions\/|\/fnm_multishells\/|\/fnm\/node-versions\//.test(path)) {
    return [
      `${path} is one version of nvm or fnm, and gone when that is uninstalled or its shell ends; install the service again after an upgrade, or use --login-shell`,
    ];
  }
  const manager = versionManagers.find(({ folder }) => folder.test(path));
  if (manager === undefined) return [];
  return [
    `${path} is a shim of ${manager.name}, which chooses the version at each start: it needs ${manager.needs}; or write the path of the version itself`,
  ];
}
