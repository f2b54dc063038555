/**
 * Runs the checks of scripts/verify-macos, which prepares the folder and cleans up whatever happens here.
 *
 *   bun scripts/macos-checks/main.ts --list
 *   bun scripts/macos-checks/main.ts --work FOLDER --user NAME --session gui/501 [--daemons FOLDER] [NAME]
 *
 * --daemons is where root installs daemons; without it no check that needs root is run. NAME is part of the names of
 * the checks to run. Prints a line for each: PASS, FAIL or SKIP with the reason. Exits
 * with 1 when one failed, or none was run.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { allChecks, type Check, port80IsTaken } from "./checks.ts";
import { homebrewIsMissing } from "./homebrew.ts";
import type { Bench } from "./service.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: "boolean", default: false },
    work: { type: "string", default: "" },
    session: { type: "string", default: "" },
    user: { type: "string", default: "" },
    daemons: { type: "string" },
  },
});
const name = positionals[0] ?? "";
const checks = allChecks(values.session).filter((check) => check.name.includes(name));

if (values.list) {
  for (const check of checks) console.log(check.name + (check.needs.includes("root") ? " (sudo)" : ""));
  process.exit(0);
}

const bench: Bench = {
  work: values.work,
  daemons: values.daemons ?? "",
  program: join(values.work, "launch_socket_server"),
  loginWrapper: join(values.work, "login_wrapper"),
  bun: join(values.work, "bun"),
  backend: join(values.work, "backend.js"),
  // Bun's os.userInfo() knows the name from the environment alone.
  user: { name: values.user, uid: process.getuid?.() ?? 0 },
};
const count = { passed: 0, failed: 0, skipped: 0 };
for (const check of checks) {
  const missing = whatIsMissing(check);
  if (missing !== null) {
    count.skipped++;
    console.log(`SKIP ${check.name}: ${missing}`);
    continue;
  }
  try {
    await check.run(bench);
    count.passed++;
    console.log(`PASS ${check.name}`);
  } catch (error) {
    count.failed++;
    console.log(`FAIL ${check.name}: ${error instanceof Error ? error.message : error}`);
  }
}
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exit(count.failed > 0 || count.passed === 0 ? 1 : 0);

function whatIsMissing({ needs }: Check): string | null {
  if (needs.includes("root") && values.daemons === undefined) return "it needs sudo";
  const homebrew = needs.includes("Homebrew") ? homebrewIsMissing() : null;
  if (homebrew !== null) return homebrew;
  if (needs.includes("port 80") && port80IsTaken()) return "something serves 127.0.0.1:80 already; stop it first";
  return null;
}
