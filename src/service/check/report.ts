import { onOneLine } from "../../errors.ts";
import type { Finding } from "./inspection.ts";

const colours = { error: "\x1b[31m", note: "\x1b[33m" } as const;

/** How many findings are errors, and how many notes. */
export function count(findings: Finding[]): { errors: number; notes: number } {
  const errors = findings.filter(({ severity }) => severity === "error").length;
  return { errors, notes: findings.length - errors };
}

/** One line for each finding, errors first, and one that counts them. */
export function report(file: string, findings: Finding[], colour: boolean): string {
  const { errors, notes } = count(findings);
  return [
    ...findingLines(findings, colour),
    `${onOneLine(file)}: ${plural(errors, "error")}, ${plural(notes, "note")}`,
  ].join("\n");
}

/** One line for each finding, errors first. */
export function findingLines(findings: Finding[], colour: boolean): string[] {
  const paint = (severity: Finding["severity"]) => (colour ? `${colours[severity]}${severity}\x1b[0m` : severity);
  return inOrder(findings).map(
    ({ severity, key, why, fix }) => `${paint(severity)}: ${onOneLine(`${key}: ${why}; ${fix}`)}`,
  );
}

/** The same for programs. */
export function inJson(file: string, findings: Finding[]) {
  return { file, ...count(findings), findings: inOrder(findings) };
}

export function plural(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

function inOrder(findings: Finding[]): Finding[] {
  return [
    ...findings.filter(({ severity }) => severity === "error"),
    ...findings.filter(({ severity }) => severity === "note"),
  ];
}
