/**
 * Runs the tests and closes with one line, `N passed, N failed` (and `, N skipped`).
 *
 *   bun scripts/test.ts [--interop] [NAME]
 *
 * NAME is part of a test file's path, or else of a test's name; --interop runs the comparisons with real clients and servers instead.
 */
import { Glob } from "bun";
import { announceProgramUnderTest } from "../test/support/program-under-test.ts";

const interop = process.argv[2] === "--interop";
const name = process.argv[interop ? 3 : 2] ?? "";
const files = [...new Glob(interop ? "test/interop/*.interop.ts" : "test/**/*.test.ts").scanSync(".")]
  .sort()
  .map((file) => `./${file}`);
const chosen = files.filter((file) => file.includes(name));
const byFile = chosen.length > 0;
const selection = byFile ? chosen : [...files, `--test-name-pattern=${name}`];
announceProgramUnderTest();

// Whether any test has the name is known at the end only: until then what is said about the others is kept back.
const runner = Bun.spawn([process.execPath, "test", "--timeout=60000", ...selection], {
  stdin: "ignore",
  stdout: byFile ? "inherit" : "ignore",
  stderr: "pipe",
});

// bun test reports on stderr and ends with lines like " 12 pass".
let report = "";
for await (const chunk of runner.stderr) {
  if (byFile) process.stderr.write(chunk);
  report += new TextDecoder().decode(chunk);
}
const status = await runner.exited;
const count = (word: string) => Number(report.match(new RegExp(`^ *(\\d+) ${word}$`, "m"))?.[1] ?? 0);
const skipped = count("skip") + count("todo");
const failed = Math.max(count("fail"), status === 0 ? 0 : 1);
const matched = count("pass") + count("fail") + skipped > 0;

// A run that tests nothing (a misspelt NAME) is not a success.
if (!byFile && !matched) {
  console.error(`launch_socket_server: cannot test "${name}": no test has that name`);
  process.exit(1);
}
if (!byFile) process.stderr.write(report);
console.log(`${count("pass")} passed, ${failed} failed${skipped > 0 && name === "" ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 ? 1 : 0);
