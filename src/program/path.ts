import { accessSync, constants, type Stats, statSync } from "node:fs";
import { reasonOf, UserError } from "../errors.ts";
import { explainName, isExecutableFile, isForShell, notExpanded, searchPath } from "../system/path-search.ts";
import { platform } from "../system/platform.ts";
import { explainProtection, protectedFolder } from "../system/privacy.ts";

/** execvp(3)'s search, done here so that a failure can be told apart. Throws a UserError. */
export function findProgram(name: string, path: string | undefined): string {
  if (name.includes("/")) return name;
  const files = searchPath(name, path, process.cwd()).filter(isFile);
  const found = files.find(isExecutableFile) ?? files[0];
  if (found === undefined) {
    const why =
      explainName(name, path, process.cwd()) ?? `it is not in PATH (${path ?? "not set"}); write its whole path`;
    throw new UserError(`cannot start program \`${name}': ${why}`);
  }
  return found;
}

/** Throws the UserError of a start that cannot work, for starts that would tell only later or not at all. */
export function requireExecutable(name: string, path: string): void {
  let reason = "EACCES";
  try {
    accessSync(path, constants.X_OK);
    if (statSync(path).isFile()) return;
  } catch (error) {
    reason = reasonOf(error);
  }
  throw startError(name, path, reason);
}

/** Why a program that was found could not be started, by the error's name (`EACCES`). */
export function startError(name: string, path: string, reason: string): UserError {
  const why = isFolder(path) ? "it is a folder; name the program in it" : explain(reason, path);
  return new UserError(`cannot start program \`${name}': ${why}`);
}

function isFile(path: string): boolean {
  return stat(path)?.isFile() ?? false;
}

function isFolder(path: string): boolean {
  return stat(path)?.isDirectory() ?? false;
}

function stat(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function denied(path: string): string {
  return `permission denied; check that ${path} may be executed by this user`;
}

function explain(reason: string, path: string): string {
  switch (reason) {
    case "ENOENT":
    case "ENOTDIR":
      if (isForShell(path)) return notExpanded;
      return "there is no such file, or no interpreter for it; check the path";
    case "EPERM":
      if (platform === "macos" && protectedFolder(path) !== null) return explainProtection(path);
      return denied(path);
    case "EACCES":
      return denied(path);
    case "ENOEXEC":
      return "it is not a program; a script needs a first line like #!/bin/sh";
    default:
      return reason;
  }
}
