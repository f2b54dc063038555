/**
 * What the tests of scripts/login_wrapper share: the login shells, accounts that exist for one copy of the script alone,
 * and home folders whose profile files say that they were read.
 */
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { peer } from "./peers.ts";

export const wrapper = join(import.meta.dir, "../../scripts/login_wrapper");

/** What runs a script under test. bash 3.2, macOS's own, is in no distribution: it was tried by hand. */
export const interpreters = ["/bin/dash", "/bin/bash --posix", "/bin/bash"];

export type LoginShell = { name: string; debianPackage: string; path: string | null; profile: string };

/** `profile` is the file of `homeFolder` that this shell reads as a login shell. */
export const loginShells: LoginShell[] = [
  { name: "sh", debianPackage: "dash", profile: ".profile" },
  { name: "bash", debianPackage: "bash", profile: ".profile" },
  { name: "zsh", debianPackage: "zsh", profile: ".zprofile" },
  { name: "ksh", debianPackage: "ksh93u+m", profile: ".profile" },
  { name: "fish", debianPackage: "fish", profile: ".config/fish/config.fish" },
  { name: "tcsh", debianPackage: "tcsh", profile: ".login" },
].map((shell) => ({ ...shell, path: peer(shell.name, shell.debianPackage) }));

/**
 * Copies the script to `file`, with tools that it calls by absolute path replaced by others.
 *
 * @param tools from what the script calls to what the copy calls instead, and on how many lines that stands.
 * @throws Error when anything but exactly those lines would change: then the copy proves nothing about the script.
 */
export async function copyWrapper(file: string, tools: [from: string, to: string, lines: number][]): Promise<void> {
  const original = (await Bun.file(wrapper).text()).split("\n");
  const copy = [...original];
  for (const [from, to, lines] of tools) {
    const places = original.flatMap((line, index) => (line.includes(from) && !line.startsWith("#") ? [index] : []));
    if (places.length !== lines) throw new Error(`${from} is on ${places.length} lines of login_wrapper, not ${lines}`);
    for (const index of places) copy[index] = (copy[index] ?? "").replace(from, to);
  }
  await writeExecutable(file, copy.join("\n"));
}

export async function writeExecutable(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  await chmod(file, 0o755);
}

/** A shell script as single-quoted words: what it prints is `text`, byte for byte. */
export const printing = (text: string) => `printf '%s' '${text.replaceAll("'", "'\\''")}'`;

/** A folder of our own that every user may enter. The caller removes it with `removeFolder`. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "login_wrapper-"));
  await chmod(folder, 0o755);
  return folder;
}

export const removeFolder = (folder: string) => rm(folder, { recursive: true, force: true });

/** Makes `link` a shell of that name, which may be one that login_wrapper has never heard of. */
export async function linkShell(link: string, shell: string): Promise<string> {
  await mkdir(dirname(link), { recursive: true });
  await symlink(shell, link);
  return link;
}

/**
 * Fills `home` with the profile files of all shells. Each sets PROFILE to its own name and puts `home`/tools in front of
 * PATH, and then does what must not reach the program's arguments: it gives the positional parameters other values.
 */
export async function fillHome(home: string): Promise<void> {
  const posix = (name: string) =>
    `PROFILE=${name} PATH=$HOME/tools:$PATH\nexport PROFILE PATH\nset -- lost arguments\n`;
  const files = {
    ".profile": posix(".profile"),
    // With this option zsh takes its builtin `echo` for a command.
    ".zprofile": `${posix(".zprofile")}setopt posix_builtins\n`,
    ".login": 'setenv PROFILE .login\nsetenv PATH "$HOME/tools:$PATH"\nset argv=(lost arguments)\n',
    ".config/fish/config.fish":
      "if status is-login; set -gx PROFILE .config/fish/config.fish; end\nset -gx PATH $HOME/tools $PATH\nset argv lost arguments\n",
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(home, name)), { recursive: true });
    await writeFile(join(home, name), text);
  }
  // Named so that a shell might take them for options, an assignment, two words or its own builtin.
  for (const name of ["tool", "-x", "--", "a=b", "two words", "echo"]) {
    await writeExecutable(join(home, "tools", name), `#!/bin/sh\nprintf '%s\\0' "tool $PROFILE" "$PATH" "$@"\n`);
  }
}

export type Outcome = { status: number; stdout: string; stderr: string };

/** Runs `command` to its end, in an environment of exactly `env`; `stdout` has a character for each byte. */
export async function run(command: string[], env: Record<string, string>, stdin?: Uint8Array): Promise<Outcome> {
  const child = Bun.spawn(command, { env, stdin: stdin ?? "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, stdout: Buffer.from(stdout).toString("latin1"), stderr };
}
