/**
 * Runs the tests and closes with one line, `N passed, N failed` (and `, N skipped`).
 *
 *   bun scripts/test.ts [--interop | --mac] [NAME]
 *
 * NAME is part of a test file's path, or else of a test's name; --interop runs the comparisons with real clients and
 * servers instead. --mac runs on the Mac program, which TEST_PROGRAM names, all tests of a program that is built, these
 * comparisons among them, and inside Bun for macOS the tests of the sources (test/support/macrun/README.md). It names each test
 * that is skipped although it is not one of those left out there; where the environment variable CI is set it counts as failed.
 *
 * Several `bun test` processes run side by side, since most tests wait most of the time. What one of them says is
 * printed as a whole once it has ended.
 */
import { availableParallelism } from "node:os";
import { Glob } from "bun";
import { macBun } from "../test/support/macrun/bun.ts";
import { leavesOut, patternWithout } from "../test/support/macrun/left-out.ts";
import { announceProgramUnderTest } from "../test/support/program-under-test.ts";

/** Parts of paths: these files share 127.0.0.1:80 and run one after the other. They take longest, and so come first. */
const port80 = [
  "scripts/verify-macos",
  "e2e/drop-in",
  "scripts/formula",
  "e2e/examples",
  "e2e/install",
  "e2e/foreign",
  "e2e/documentation",
];
/** Those that take long come next, so that no process is left alone with one of them at the end. */
const long = [
  "e2e/far",
  "e2e/exit-idle",
  "e2e/recipes",
  "e2e/install",
  "e2e/diagnosis",
  "e2e/lifecycle",
  "scripts/dist",
  "e2e/stop",
  "e2e/environment",
  "scripts/login_wrapper.",
];
/** They measure memory or count system calls: with nothing beside them. */
const alone = ["e2e/memory", "e2e/system-calls"];

interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  /** The lines that name a failed test. */
  failures: string[];
  /** Which tests were skipped: a file and a name each. */
  skips: string[];
}

const option = process.argv[2]?.startsWith("--") ? process.argv[2] : "";
const name = process.argv[option === "" ? 2 : 3] ?? "";
const scan = (patterns: string[]) => patterns.flatMap((pattern) => [...new Glob(pattern).scanSync(".")]);
const allTests = ["test/**/*.test.ts"];
const comparisons = ["test/interop/*.interop.ts"];
/** Those that start the program under test. */
const blackBox = scan([
  ...["test/e2e/*.test.ts", "test/{main,launcher}.test.ts", "test/program/signals.test.ts"],
  "test/support/macrun/{macrun,sisters}.test.ts",
  "test/scripts/verify-macos.test.ts",
]);
/** Those of the sources, and of what macrun takes for XNU's: they can run inside another Bun. */
const sources = scan(allTests).filter(
  (file) => !blackBox.includes(file) && !/^test\/(scripts|support)\/(?!macrun\/xnu)/.test(file),
);
const mac = option === "--mac";
const files = mac ? [...blackBox, ...sources, ...scan(comparisons)] : scan(option === "" ? allTests : comparisons);
files.sort();
const byPath = files.filter((file) => file.includes(name));
const testName = byPath.length > 0 ? "" : name;
const below = (file: string) => file.slice("test/".length);
/** Bun's pattern for the tests to run in files; "" for all. */
const patternOf = (files: string[]) => (mac ? patternWithout(files.map(below), testName) : testName);
const bunForMac = mac ? await macBun() : "";

announceProgramUnderTest();
// One seed for all; each file that makes use of it prints it.
process.env.SEED ??= String(crypto.getRandomValues(new Int32Array(1))[0]);
const chosen = new Set((byPath.length > 0 ? byPath : files).filter((file) => !mac || !leavesOut(below(file))));
/** Takes the chosen files out whose path has one of these parts, in the order of the parts. */
const take = (parts: string[]) =>
  parts.flatMap((part) => [...chosen].filter((file) => file.includes(part) && chosen.delete(file)));
const last = take(alone);
const queue = [take(port80), ...take(long).map((file) => [file]), ...[...chosen].map((file) => [file])];
const outcomes: Outcome[] = [];
const work = async () => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (next.length > 0) outcomes.push(await runFiles(next));
  }
};
await Promise.all(Array.from({ length: availableParallelism() + 2 }, work));
for (const file of last) outcomes.push(await runFiles([file]));

const sum = (what: "passed" | "failed" | "skipped") => outcomes.reduce((total, outcome) => total + outcome[what], 0);
const unlisted = mac ? outcomes.flatMap(({ skips }) => skips) : [];
const [passed, skipped] = [sum("passed"), sum("skipped")];
const failed = sum("failed") + (process.env.CI ? unlisted.length : 0);
// A run that tests nothing (a misspelt NAME) is not a success.
if (passed + failed + skipped === 0) {
  console.error(`launch_socket_server: cannot test "${name}": no test has that name`);
  process.exit(1);
}
if (outcomes.length > 1) for (const { failures } of outcomes) for (const line of failures) console.log(line);
for (const test of unlisted) console.log(`(skip) ${test}: not in test/support/macrun/left-out.ts`);
console.log(`${passed} passed, ${failed} failed${skipped > 0 && name === "" ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 ? 1 : 0);

/** Runs files in one `bun test` process, and passes on what it says unless it has no test of the name. */
async function runFiles(paths: string[]): Promise<Outcome> {
  const bun = mac && paths.some((path) => sources.includes(path)) ? bunForMac : process.execPath;
  const pattern = patternOf(paths);
  const command = [
    ...[bun, "test", "--timeout=60000"],
    ...(pattern === "" ? [] : [`--test-name-pattern=${pattern}`]),
    ...paths.map((path) => `./${path}`),
  ];
  // bun test reports on stderr; stdout has what tests print, such as a seed.
  const runner = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [report, printed, status] = await Promise.all([runner.stderr.text(), runner.stdout.text(), runner.exited]);
  if (testName !== "" && / matched 0 tests\./.test(report))
    return { passed: 0, failed: 0, skipped: 0, failures: [], skips: [] };
  await Bun.write(Bun.stdout, printed);
  await Bun.write(Bun.stderr, report);
  // It ends with lines like " 12 pass".
  const count = (word: string) => Number(report.match(new RegExp(`^ *(\\d+) ${word}$`, "m"))?.[1] ?? 0);
  const complete = status === 0 && /^Ran \d+ tests? /m.test(report);
  const failed = Math.max(count("fail"), complete ? 0 : 1);
  const failures = new Set(report.match(/^\(fail\) .*$/gm));
  if (failed > failures.size) failures.add(`(fail) ${paths.join(", ")}: see above`);
  const skipped = count("skip") + count("todo");
  return { passed: count("pass"), failed, skipped, failures: [...failures], skips: skipsOf(report) };
}

/** The tests that a report of `bun test` says were skipped; it may say so again after the last file's tests. */
function skipsOf(report: string): string[] {
  const files = new Map<string, string>();
  let file = "";
  for (const line of report.split("\n")) {
    file = line.match(/^(test\/\S+):$/)?.[1] ?? file;
    const name = line.match(/^\(skip\) (.*)$/)?.[1];
    if (name !== undefined && !files.has(name)) files.set(name, file);
  }
  return [...files].map(([name, file]) => `${file}: ${name}`);
}
