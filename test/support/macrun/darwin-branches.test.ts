import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { Glob } from "bun";
import { leavesOut } from "./left-out.ts";

interface Row {
  place: string;
  /** A part of the line; null for a whole file. */
  asks: string | null;
  ranBy: string;
}

const table = readFileSync(`${import.meta.dir}/darwin-branches.md`, "utf8");
const rows: Row[] = [...table.matchAll(/^\| (\S+) \| (?:`(.*)`|all of it) \| (.+) \|$/gm)].map(
  ([, place = "", asks, ranBy = ""]) => ({ place, asks: asks ?? null, ranBy }),
);

/** What a line has that asks for the system, or uses what only one of them has. */
const asking = new RegExp(
  [
    String.raw`process\.platform|os\.platform|\b(platform|system) [!=]==|= platform\b|\[platform\]|, platform\b(?!:)|\bdarwin \?|= darwin\b|\(darwin\)`,
    String.raw`\blinux(\?\.|\.| ===)|\bmacos\?\.|startsWith\("(bun-)?darwin|\bhasLaunchd\b|\bLAUNCHD_LIBRARY\b|\b(LAUNCHCTL|LSOF|SFLTOOL)\b`,
    String.raw`\bINSTALL_ROOT\b|\buname\b|\bDarwin\b|\bdscl\b|\bsw_vers\b`,
  ].join("|"),
);

/** Lines of code: no comments, imports, exports of types or declarations, which ask nothing. */
function codeLines(path: string): string[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => !/^\s*(\*|\/[/*]|#|import\b|declare\b)/.test(line)).map((line) => line.trim());
}

const whole = new Set(rows.filter(({ asks }) => asks === null).map(({ place }) => place));
const sources = ["src", "scripts"].flatMap((root) => [...new Glob(`${root}/**/*`).scanSync(".")]).sort();
const places = sources
  .filter((path) => !path.endsWith(".d.ts") && !whole.has(path))
  .flatMap((path) =>
    codeLines(path)
      .filter((line) => asking.test(line))
      .map((line) => ({ path, line })),
  );

test("each place that asks for the system has a line in darwin-branches.md", () => {
  const covers = ({ place, asks }: Row, path: string, line: string) => place === path && line.includes(asks ?? "");
  expect(places.length).toBeGreaterThan(30);
  expect(places.filter(({ path, line }) => !rows.some((row) => covers(row, path, line)))).toEqual([]);
  const stale = rows.filter((row) =>
    row.asks === null ? !sources.includes(row.place) : !places.some(({ path, line }) => covers(row, path, line)),
  );
  expect(stale).toEqual([]);
});

test("each is run by a test that is there and not left out, or says that it is not run and why", () => {
  for (const { ranBy } of rows.filter(({ ranBy }) => !/^not run: \w/.test(ranBy))) {
    expect([ranBy, existsSync(ranBy)]).toEqual([ranBy, true]);
    expect([ranBy, leavesOut(ranBy.replace(/^test\//, ""))]).toEqual([ranBy, false]);
  }
});
