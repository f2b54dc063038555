/**
 * Writes what is said elsewhere already: the tables of settings and flags, the project's address and the figures of the benchmark, into
 * README, docs and the man page, between the marks that stand there, and the shells' completions. Run by `make fix`; a test fails where it was forgotten.
 */

import { readFileSync } from "node:fs";
import { version } from "../package.json";
import { serviceFlags } from "../src/service/flags.ts";
import { describeDefault, describeFlag, type Flag } from "../src/settings/flag.ts";
import { options } from "../src/settings/options.ts";
import { bashCompletion } from "./completions/bash.ts";
import { fishCompletion } from "./completions/fish.ts";
import { zshCompletion } from "./completions/zsh.ts";
import { downloadsOf, project, repository } from "./repository.ts";

const settings = Object.values<Flag>(options);
const flags = Object.values<Flag>(serviceFlags);

/** The files that hold what follows from the tables, and how the text of each is brought up to date. */
export const documents: Record<string, (text: string) => string> = {
  "README.md": (text) => replaceMarked(text, { homebrew, archive }),
  "docs/settings.md": (text) => replaceMarked(text, { settings: settingsTable, "service flags": flagsTable }),
  "docs/speed.md": (text) => replaceMarked(text, { speed: speedTables }),
  "docs/verifying.md": (text) => replaceMarked(text, { attestation }),
  "share/man/man8/launch_socket_server.8": (text) => {
    const withSettings = replaceBetween(text, '.\\" settings\n', '.\\" end of settings', manList(settings));
    const withFlags = replaceBetween(withSettings, '.\\" service flags\n', '.\\" end of service flags', manList(flags));
    return replaceBetween(withFlags, '.\\" variables\n', '.\\" end of variables', manVariables());
  },
  "share/bash-completion/completions/launch_socket_server": bashCompletion,
  "share/zsh/site-functions/_launch_socket_server": zshCompletion,
  "share/fish/vendor_completions.d/launch_socket_server.fish": fishCompletion,
};

/** The part of Markdown between `<!-- NAME -->` and `<!-- end of NAME -->`, for each name. */
function replaceMarked(text: string, parts: Record<string, () => string>): string {
  return Object.entries(parts).reduce(
    (text, [name, part]) => replaceBetween(text, `<!-- ${name} -->\n`, `<!-- end of ${name} -->`, part()),
    text,
  );
}

const shell = (...lines: string[]) => ["```sh", ...lines, "```", ""].join("\n");

function homebrew(): string {
  return shell(
    `brew tap ${project} ${repository}`,
    `brew trust --formula ${project}/launch_socket_server`,
    `brew install ${project}/launch_socket_server`,
  );
}

function archive(): string {
  return shell(
    `name=launch_socket_server-${version}-darwin-arm64`,
    `curl -fL --remote-name-all ${downloadsOf(version)}/{$name.tar.gz,SHA256SUMS}`,
    "shasum -a 256 -c --ignore-missing SHA256SUMS",
    'sudo tar -xzf "$name.tar.gz" -C /usr/local --strip-components 1 "$name"/{bin,sbin,libexec,share}',
  );
}

function attestation(): string {
  return shell(
    `gh attestation verify "$name.tar.gz" --repo ${project} \\`,
    `  --signer-workflow ${project}/.github/workflows/release.yml`,
  );
}

/** Of what `make bench` has written: the comparison over Unix sockets, memory, and starts. */
function speedTables(): string {
  const tables = readFileSync("share/benchmark/results.md", "utf8").split("\n\n");
  const begins = ["| launch_socket_server is …", "| MiB resident", "| requests/s / MiB", "|  | first byte"];
  const chosen = begins.map((start) => tables.find((table) => table.startsWith(start))?.trimEnd());
  if (chosen.includes(undefined)) throw new Error(`no tables in share/benchmark/results.md begin ${begins.join(", ")}`);
  return `${chosen.join("\n\n")}\n`;
}

function settingsTable(): string {
  const lines = settings.map((row) => {
    const variable = row.variable ? `\`${row.variable}\`` : "";
    return `| ${spelling(row)} | ${variable} | ${standard(row)} | ${meaning(row)} |\n`;
  });
  return `| flag | variable | default | what it does |\n|---|---|---|---|\n${lines.join("")}`;
}

function flagsTable(): string {
  const lines = flags.map((row) => `| ${spelling(row)} | ${row.default ?? ""} | ${meaning(row)} |\n`);
  return `| flag | default | what it does |\n|---|---|---|\n${lines.join("")}`;
}

function spelling(row: Flag): string {
  return `\`--${row.flag}${row.value ? ` ${row.optional ? `[${row.value}]` : row.value}` : ""}\``.replaceAll(
    "|",
    "\\|",
  );
}

function meaning(row: Flag): string {
  return describeFlag(row).replaceAll("|", "\\|");
}

/** mdoc(7): a line that begins with a dot or a quote, or has a backslash, would be read as a macro or an escape. */
function manList(rows: Flag[]): string {
  const escapeText = (text: string) => text.replaceAll("\\", "\\e").replace(/^([.'])/, "\\&$1");
  const items = rows.map((row) => {
    const sentences = describeFlag(row)
      .split(/(?<=\.) /)
      .map((sentence) => fold(escapeText(sentence)));
    const variable = row.variable ? `Variable:\n.Ev ${row.variable} .\n` : "";
    const value = standard(row) ? `Default: ${standard(row)}.\n` : "";
    const argument = row.optional ? `Op Ar ${row.value}` : `Ar ${row.value}`;
    return `.It Fl Fl ${row.flag}${row.value ? ` ${argument}` : ""}\n${sentences.join("")}${value}${variable}`;
  });
  return `.Bl -tag -width Ds\n${items.join("")}.El\n`;
}

/** Each variable with the flag that says the same. */
function manVariables(): string {
  const items = settings.flatMap(({ variable, flag }) =>
    variable ? [`.It Ev ${variable}\nThe same as\n.Fl Fl ${flag} .\n`] : [],
  );
  return `.Bl -tag -width Ds\n${items.join("")}.El\n`;
}

/** Lines of at most 80 characters, as mandoc(1) wants its source. */
function fold(sentence: string): string {
  return `${sentence.replace(/(.{1,78})(?: |$)/g, "$1\n").trimEnd()}\n`;
}

function standard(row: Flag): string {
  return row.value === undefined ? "off" : row.default === "0" ? "0 (never)" : (describeDefault(row) ?? "");
}

function replaceBetween(text: string, start: string, end: string, fresh: string): string {
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < 0) throw new Error(`no place for what is written here: ${start.trim()} is missing`);
  return text.slice(0, from + start.length) + fresh + text.slice(to);
}

if (import.meta.main) {
  for (const [path, update] of Object.entries(documents)) {
    const file = Bun.file(path);
    await Bun.write(path, update((await file.exists()) ? await file.text() : ""));
  }
}
