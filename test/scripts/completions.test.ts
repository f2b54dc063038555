/** The completions as a person meets them: a line is typed into each shell, and what it becomes is compared. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { completedFlags } from "../../scripts/completions/words.ts";
import { Command } from "../support/command.ts";
import { peer } from "../support/peers.ts";
import { waitFor } from "../support/wait.ts";

const share = resolve("share");
const python = peer("python3", "python3");
const bashCompletion = "/usr/share/bash-completion/bash_completion";
if (process.env.CI && !existsSync(bashCompletion)) throw new Error("CI lacks it: apt-get install bash-completion");

/** Where the lines are typed: with a property list, and a home with services of ours and of others. */
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "completions-"));
  // In place of the program: it tells the arguments that reach it.
  await Bun.write(
    join(folder, "bin/launch_socket_server"),
    '#!/bin/sh\nprintf "%s\\037" "$@" >> "$OUT"\necho >> "$OUT"\n',
  );
  await chmod(join(folder, "bin/launch_socket_server"), 0o755);
  await mkdir(join(folder, "work"));
  await Bun.write(join(folder, "work/one.plist"), "");
  const services: [string, string, string][] = [
    ["com.example.hello", "/opt/homebrew/sbin/launch_socket_server", "FMT_XML"],
    ["com.example.binary", "/usr/local/sbin/launch_socket_server", "FMT_BINARY"],
    ["com.example.other", "/usr/local/bin/other", "FMT_XML"],
  ];
  await mkdir(join(folder, "home/Library/LaunchAgents"), { recursive: true });
  for (const [label, program, format] of services) {
    const script = `import plistlib, sys; plistlib.dump({"Label": "${label}", "ProgramArguments": ["${program}", "x"]}, open(sys.argv[1], "wb"), fmt=plistlib.${format})`;
    const file = join(folder, `home/Library/LaunchAgents/${label}.plist`);
    expect(Bun.spawnSync([python ?? "", "-c", script, file]).exitCode).toBe(0);
  }
});

afterAll(() => rm(folder, { recursive: true }));

const labels = ["com.example.binary", "com.example.hello"];
const allFlags = completedFlags.flatMap(({ names }) => names);

/** What is typed after the program's name, and all that may stand in place of its last word. */
const lines: [string, string[]][] = [
  ["--", allFlags.filter((name) => name.startsWith("--"))],
  ["--listen 127.0.0.1:8080 --pr", ["--print-plist", "--proxy-protocol"]],
  ["--log-level ", ["debug", "error", "info", "warn"]],
  ["--log-level=d", ["--log-level=debug"]],
  ["--proxy-protocol ", ["v1", "v2"]],
  ["--stop-timeout ", []],
  ["--user nobo", ["nobody"]],
  ["--group nogr", ["nogroup"]],
  ["--socket-path ./on", ["./one.plist"]],
  ["--uninstall ", labels],
  ["--status ", labels],
  ["--status ", labels],
  ["--json --status com.example.b", ["com.example.binary"]],
  ["--status --jso", ["--json"]],
  ["--dry-run --uninstall=com.example.b", ["--uninstall=com.example.binary"]],
  ["--print-plist com.example.h", ["com.example.hello"]],
  ["--install ./on", ["./one.plist"]],
  ["--install on", ["one.plist"]],
  ["--install com.example.", labels],
  ["--check-plist on", ["one.plist"]],
  ["--check-plist other.plist on", ["one.plist"]],
  ["--route Web=127.0.0.1:8080 mkte", ["mktemp"]],
  ["--stop-timeout 30s -- mkte", ["mktemp"]],
  ["cat on", ["one.plist"]],
  ["--listen :80 -- cat on", ["one.plist"]],
  ["ls --recur", ["--recursive"]],
  ["cat --log-lev", []],
];

const environment = () => ({
  HOME: join(folder, "home"),
  PATH: `${join(folder, "bin")}:${process.env.PATH}`,
  TERM: "dumb",
  INPUTRC: "/dev/null",
  // The mark of the end of a line of ours.
  PS1: "",
});

/** A shell on a terminal, in which keys are typed; what reached the program in place of the last word typed. */
async function type(shell: string, setup: string, insertAll: string): Promise<string[][]> {
  const out = join(folder, `${crypto.randomUUID()}.out`);
  await Bun.write(out, "");
  const command = new Command(["script", "-qec", shell, "/dev/null"], {
    cwd: join(folder, "work"),
    env: { ...environment(), OUT: out },
    stdin: "pipe",
  });
  await using _ = command;
  const stdin = command.process.stdin as Bun.FileSink;
  const reached = async () => (await readFile(out, "utf8")).split("\n").slice(0, -1);
  const failed = () => `its answer; the terminal has ${JSON.stringify(command.stdout.slice(-2000))}`;
  stdin.write(`${setup}\nlaunch_socket_server ready\n`);
  stdin.flush();
  await waitFor(failed, async () => (await reached()).length === 1);
  for (const [count, [typed]] of lines.entries()) {
    stdin.write(`launch_socket_server ${typed}${insertAll}\n`);
    stdin.flush();
    await waitFor(failed, async () => (await reached()).length === count + 2);
  }
  return (await reached()).slice(1).map((line) => line.split("\x1f").slice(0, -1));
}

/** What the words of each line should have become. */
const expected = lines.map(([typed, completed]) => {
  const words = typed.split(" ");
  const last = words.at(-1) ?? "";
  return [...words.slice(0, -1), ...(completed.length > 0 ? completed.toSorted() : last === "" ? [] : [last])];
});

/** zsh ends a flag that takes a value with =, and shells differ in the order. */
const sorted = (reached: string[][]) =>
  reached.map((words, index) => {
    const given = (lines[index]?.[0] ?? "").split(" ").length - 1;
    const completed = words.slice(given).map((word) => word.replace(/^(--[\w-]+)=$/, "$1"));
    return [...words.slice(0, given), ...completed.toSorted()];
  });

describe("completions", () => {
  const bash = peer("bash", "bash");
  test.skipIf(bash === null || !existsSync(bashCompletion))("in bash, with bash-completion", async () => {
    const setup = `. ${bashCompletion}; bind '"\\C-a": insert-completions'`;
    // bash-completion finds the file by the name of the command, in XDG_DATA_DIRS.
    const shell = `env XDG_DATA_DIRS=${share}:/usr/share bash --norc -i`;
    expect(sorted(await type(shell, setup, "\x01"))).toEqual(expected);
  });

  test.skipIf(bash === null)("in bash alone, which completes the program's arguments as files", async () => {
    const file = join(share, "bash-completion/completions/launch_socket_server");
    const setup = `. ${file}; bind '"\\C-a": insert-completions'`;
    const reached = sorted(await type("bash --norc -i", setup, "\x01"));
    expect(reached).toEqual(expected.map((words) => words.map((word) => (word === "--recursive" ? "--recur" : word))));
  });

  const zsh = peer("zsh", "zsh");
  test.skipIf(zsh === null)("in zsh", async () => {
    const setup = [
      `fpath=(${share}/zsh/site-functions $fpath)`,
      "autoload -Uz compinit && compinit -u -D",
      "zle -C all-matches complete-word _generic",
      "bindkey '^A' all-matches",
      "zstyle ':completion:all-matches:*' insert yes",
      "zstyle ':completion:all-matches::::' completer _all_matches _complete",
    ];
    expect(sorted(await type("zsh -f -i", setup.join("; "), "\x01"))).toEqual(expected);
  });

  const fish = peer("fish", "fish");
  test.skipIf(fish === null)("in fish", async () => {
    const script = lines.map(([typed]) => `complete -C 'launch_socket_server ${typed}'; echo =====`);
    const command = new Command([fish ?? "", "-c", script.join("\n")], {
      cwd: join(folder, "work"),
      // fish finds the file by its name, in a folder of XDG_DATA_DIRS.
      env: { ...environment(), XDG_DATA_DIRS: `${share}:/usr/share` },
    });
    await using _ = command;
    const { code, stdout, stderr } = await command.ended();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const completed = stdout
      .split("=====\n")
      .slice(0, -1)
      .map((text) =>
        text
          .split("\n")
          .slice(0, -1)
          .map((line) => line.split("\t")[0] ?? ""),
      );
    expect(completed.map((words) => words.toSorted())).toEqual(lines.map(([, words]) => words.toSorted()));
  });

  const shellcheck = peer("shellcheck", "shellcheck");
  test.skipIf(shellcheck === null)("shellcheck finds nothing in bash's", async () => {
    await using command = new Command([
      shellcheck ?? "",
      join(share, "bash-completion/completions/launch_socket_server"),
    ]);
    expect(await command.ended()).toEqual({ code: 0, stdout: "", stderr: "" });
  });
});
