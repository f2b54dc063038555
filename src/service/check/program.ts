import { basename, resolve } from "node:path";
import { quote } from "../../errors.ts";
import { isForShell, searchPath, standardPath } from "../../system/path-search.ts";
import { readScript } from "../../system/script.ts";
import { changeable, isHidden, may, stat } from "./access.ts";
import { isSeveralWords } from "./arguments.ts";
import { type Inspection, own } from "./inspection.ts";
import { isStrings } from "./settings.ts";

/** The programs that are run: launch_socket_server by launchd, and the server by it. */
export function checkProgram(inspection: Inspection): void {
  const words = own(inspection.job, "ProgramArguments");
  const program = inspection.text("Program");
  if (words === undefined) {
    inspection.error(
      "ProgramArguments",
      "it is missing, so there is nothing to run",
      "add the path of launch_socket_server, the program and its arguments",
    );
    return;
  }
  if (!isStrings(words) || words.length === 0) {
    const why = "it is not an array of strings with at least one in it";
    inspection.error("ProgramArguments", why, "add launch_socket_server, the program and its arguments as <string>s");
    return;
  }
  checkOurs(inspection, program === undefined ? "ProgramArguments[0]" : "Program", program ?? words[0] ?? "");
  if (inspection.program === null) return;
  const first = words.length - inspection.program.length;
  if (inspection.settings?.passSockets && runsBun(inspection, inspection.program[0])) {
    const why = "Bun's node:http ignores the descriptor that it should listen on and silently binds another port";
    inspection.note(`ProgramArguments[${first}]`, why, "leave --pass-sockets out, or run it by node");
  }
  checkServer(inspection, `ProgramArguments[${first}]`, inspection.program[0]);
  if (basename(inspection.program[0]) !== "login_wrapper") return;
  const wrapped = inspection.program[1];
  if (wrapped === undefined) {
    inspection.error("ProgramArguments", "no program follows login_wrapper", "add the program and its arguments");
  } else if (wrapped.includes("/")) {
    // A bare name is looked up in the PATH of the user's shell, which only that shell knows.
    checkServer(inspection, `ProgramArguments[${first + 1}]`, wrapped);
  }
}

/** oven-sh/bun#36491: `http.Server.listen({ fd })` never reads `fd` (still so in 1.4.5). */
function runsBun({ portable }: Inspection, program: string): boolean {
  const script = portable ? null : readScript(program);
  const names = script === null || script === "bare" ? [program] : [program, script.command ?? script.interpreter];
  return names.some((name) => /^bunx?$/.test(basename(name)));
}

function checkOurs(inspection: Inspection, key: string, path: string): void {
  if (refuseForShell(inspection, key, path)) return;
  if (!path.startsWith("/")) {
    const why = `${quote(path)} is not an absolute path, and launchd looks in no PATH of yours`;
    inspection.error(key, why, "write the whole path of launch_socket_server");
    return;
  }
  if (basename(path) !== "launch_socket_server") {
    const why = `it runs ${basename(path)}, and the checks take it for launch_socket_server`;
    inspection.note(key, why, "ignore them if it is something else");
  }
  checkRunnable(inspection, key, path);
}

/** For a program's name that only a shell would have made the right one. */
function refuseForShell(inspection: Inspection, key: string, name: string): boolean {
  if (isForShell(name)) {
    inspection.error(key, `launchd expands nothing, so ${quote(name)} is not a path`, "write the whole path");
    return true;
  }
  // What has blanks in it and is there is a program of that name.
  if (!isSeveralWords(name) || stat(name) !== null) return false;
  const why = `${quote(name)} is one word to launchd, and no program has that name`;
  inspection.error(key, why, "write each word as a <string> of its own");
  return true;
}

function checkServer(inspection: Inspection, key: string, name: string): void {
  if (refuseForShell(inspection, key, name)) return;
  if (name.includes("/")) {
    const folder = own(inspection.job, "WorkingDirectory");
    if (inspection.portable && !name.startsWith("/") && folder === undefined) {
      const why = `there is no WorkingDirectory, so ${quote(name)} is looked for in /`;
      inspection.error(key, why, "write the whole path, or add WorkingDirectory");
    }
    checkRunnable(inspection, key, resolve(typeof folder === "string" ? folder : "/", name));
    return;
  }
  if (inspection.portable) return;
  // launchd's own PATH is what an empty one is not: execvp(3) takes that for the current folder.
  const path = inspection.environment.PATH ?? standardPath;
  const found = searchPath(name, path, "/").find(
    (candidate) =>
      stat(candidate)?.isFile() && (inspection.account === null || may(inspection.account, "execute", candidate)),
  );
  if (found === undefined) {
    const why = `${quote(name)} is not in the job's PATH (${path})`;
    inspection.error(key, why, "write its whole path, or set PATH in EnvironmentVariables");
    return;
  }
  checkRunnable(inspection, key, found);
}

/** The first line of a script, and whether what it names is there. */
function checkScript(inspection: Inspection, key: string, path: string): void {
  const script = readScript(path);
  if (script === null) return;
  if (script === "bare") {
    const why = `${path} is a text file whose first line does not say what runs it, so it does not start`;
    inspection.error(key, why, "begin it with a line such as #!/bin/sh");
    return;
  }
  const { interpreter, command } = script;
  if (command === null || command.includes("/")) {
    const needed = command ?? interpreter;
    if (stat(needed) !== null || isHidden(needed)) return;
    inspection.error(key, `${path} is a script for ${needed}, which is not there`, "correct its first line");
    return;
  }
  const search = inspection.environment.PATH ?? standardPath;
  if (searchPath(command, search, "/").some((candidate) => stat(candidate)?.isFile())) return;
  const why = `${path} is a script for ${command}, which is not in the job's PATH (${search})`;
  inspection.error(key, why, "set PATH in EnvironmentVariables");
}

function checkRunnable(inspection: Inspection, key: string, path: string): void {
  if (inspection.portable) return;
  const found = stat(path);
  const { account } = inspection;
  if (found === null && isHidden(path)) {
    inspection.noteHidden(key, path);
  } else if (found === null) {
    inspection.error(key, `there is no ${path}`, "check the path, or install the program");
  } else if (!found.isFile()) {
    const what = found.isDirectory() ? "a folder" : "not a file";
    inspection.error(key, `${path} is ${what}`, "name the program itself");
  } else if (account !== null && !may(account, "execute", path)) {
    const why = `${account.name} may not execute ${path}`;
    inspection.error(key, why, `chmod a+x ${path}, and check the folders above it`);
  } else {
    checkScript(inspection, key, path);
  }
  if (inspection.kind === "agent" || account?.uid !== 0) return;
  const weak = changeable(path);
  if (weak === null) return;
  const why = `root runs ${path}, and ordinary users can change ${weak}`;
  inspection.error(
    key,
    why,
    `name a UserName, or make ${weak} root's own: sudo chown root ${weak}; sudo chmod go-w ${weak}`,
  );
}
