import { basename, resolve } from "node:path";
import { quote } from "../../errors.ts";
import { searchPath, standardPath } from "../../system/path-search.ts";
import { changeable, isHidden, may, stat } from "./access.ts";
import { own, type Subject } from "./inspection.ts";
import { isStrings } from "./settings.ts";

/** The programs that are run: launch_socket_server by launchd, and the server by it. */
export function checkProgram(subject: Subject): void {
  const words = own(subject.job, "ProgramArguments");
  const program = subject.text("Program");
  if (words === undefined) {
    subject.error(
      "ProgramArguments",
      "it is missing, so that there is nothing to run",
      "add the path of launch_socket_server, the program and its arguments",
    );
    return;
  }
  if (!isStrings(words) || words.length === 0) {
    const why = "it is not an array of strings with at least one in it";
    subject.error("ProgramArguments", why, "add launch_socket_server, the program and its arguments as <string>s");
    return;
  }
  checkOurs(subject, program === undefined ? "ProgramArguments[0]" : "Program", program ?? words[0] ?? "");
  if (subject.program === null) return;
  const behind = words.length - subject.program.length;
  checkServer(subject, `ProgramArguments[${behind}]`, subject.program[0]);
  if (basename(subject.program[0]) !== "login_wrapper") return;
  const wrapped = subject.program[1];
  if (wrapped === undefined) {
    subject.error("ProgramArguments", "no program stands behind login_wrapper", "add the program and its arguments");
  } else if (wrapped.includes("/")) {
    // A bare name is looked up in the PATH of the user's shell, which only that shell knows.
    checkServer(subject, `ProgramArguments[${behind + 1}]`, wrapped);
  }
}

function checkOurs(subject: Subject, key: string, path: string): void {
  if (!path.startsWith("/")) {
    const why = `${quote(path)} is not an absolute path, and launchd looks in no PATH of yours`;
    subject.error(key, why, "write the whole path of launch_socket_server");
    return;
  }
  if (basename(path) !== "launch_socket_server") {
    const why = `it runs ${basename(path)}, and the checks take it for launch_socket_server`;
    subject.note(key, why, "heed them only if that is what it is");
  }
  checkRunnable(subject, key, path);
}

function checkServer(subject: Subject, key: string, name: string): void {
  if (name.includes("/")) {
    const folder = own(subject.job, "WorkingDirectory");
    checkRunnable(subject, key, resolve(typeof folder === "string" ? folder : "/", name));
    return;
  }
  // launchd's own PATH is what an empty one is not: execvp(3) takes that for the current folder.
  const path = subject.environment.PATH ?? standardPath;
  const found = searchPath(name, path, "/").find(
    (candidate) =>
      stat(candidate)?.isFile() && (subject.account === null || may(subject.account, "execute", candidate)),
  );
  if (found === undefined) {
    const why = `${quote(name)} is in no folder of the job's PATH (${path})`;
    subject.error(key, why, "write its whole path, or set PATH in EnvironmentVariables");
    return;
  }
  checkRunnable(subject, key, found);
}

function checkRunnable(subject: Subject, key: string, path: string): void {
  const found = stat(path);
  const { account } = subject;
  if (found === null && isHidden(path)) {
    subject.noteHidden(key, path);
  } else if (found === null) {
    subject.error(key, `there is no ${path}`, "check the path, or install the program");
  } else if (!found.isFile()) {
    subject.error(key, `${path} is not a file`, "name the program itself");
  } else if (account !== null && !may(account, "execute", path)) {
    const why = `${account.name} may not execute ${path}`;
    subject.error(key, why, `chmod a+x ${path}, and check the folders above it`);
  }
  if (subject.kind === "agent" || account?.uid !== 0) return;
  const weak = changeable(path);
  if (weak === null) return;
  const why = `root runs ${path}, and ordinary users can change ${weak}`;
  subject.error(
    key,
    why,
    `name a UserName, or make ${weak} root's own: sudo chown root ${weak}; sudo chmod go-w ${weak}`,
  );
}
