/**
 * Writes the one table of settings into README.md and the man page, between the marks that stand there. Run by `make fix`;
 * a test fails where it was forgotten.
 */
import { options } from "../src/options.ts";

interface Row {
  flag: string;
  value?: string;
  variable?: string;
  default?: string;
  repeatable?: string;
  help: string;
}

const rows = Object.values<Row>(options);

/** The files that hold the table, and how each is brought up to date. */
export const documents: Record<string, (text: string) => string> = {
  "README.md": (text) => replaceBetween(text, "<!-- settings -->\n", "<!-- end of settings -->", readmeTable()),
  "share/man/man8/launch_socket_server.8": (text) =>
    replaceBetween(text, '.\\" settings\n', '.\\" end of settings', manList()),
};

function readmeTable(): string {
  const lines = rows.map((row) => {
    const flag = `\`--${row.flag}${row.value ? ` ${row.value}` : ""}\``;
    const variable = row.variable ? `\`${row.variable}\`` : "";
    return `| ${flag} | ${variable} | ${standard(row)} | ${row.help.replaceAll("|", "\\|")}${repeats(row)} |\n`;
  });
  return `| flag | variable | default | what it does |\n|---|---|---|---|\n${lines.join("")}`;
}

/** mdoc(7): a line that begins with a dot or a quote, or has a backslash, would be read as a macro or an escape. */
function manList(): string {
  const escapeText = (text: string) => text.replaceAll("\\", "\\e").replace(/^([.'])/, "\\&$1");
  const items = rows.map((row) => {
    const sentences = `${row.help}${repeats(row)}`.split(/(?<=\.) /).map((sentence) => fold(escapeText(sentence)));
    const variable = row.variable ? `Variable:\n.Ev ${row.variable} .\n` : "";
    const value = standard(row) ? `Default: ${standard(row)}.\n` : "";
    return `.It Fl Fl ${row.flag}${row.value ? ` Ar ${row.value}` : ""}\n${sentences.join("")}${value}${variable}`;
  });
  return `.Bl -tag -width Ds\n${items.join("")}.El\n`;
}

/** Lines of at most 80 characters, as mandoc(1) wants its source. */
function fold(sentence: string): string {
  return `${sentence.replace(/(.{1,78})(?: |$)/g, "$1\n").trimEnd()}\n`;
}

function standard(row: Row): string {
  return row.value === undefined ? "off" : row.default === "0" ? "0 (never)" : (row.default ?? "");
}

function repeats(row: Row): string {
  if (row.repeatable === undefined) return "";
  return row.repeatable === "words"
    ? " May be repeated; the variable holds several, with white space between."
    : " May be repeated.";
}

function replaceBetween(text: string, start: string, end: string, fresh: string): string {
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < 0) throw new Error(`no place for the settings: ${start.trim()} is missing`);
  return text.slice(0, from + start.length) + fresh + text.slice(to);
}

if (import.meta.main) {
  for (const [path, update] of Object.entries(documents)) {
    await Bun.write(path, update(await Bun.file(path).text()));
  }
}
