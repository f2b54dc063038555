import "./system/platform.ts";
import { homedir } from "node:os";
import { version } from "../package.json";
import { help, parseCommandLine, usage } from "./cli.ts";
import { UserError } from "./errors.ts";
import { launch } from "./launcher.ts";
import { log, setLogLevel } from "./log.ts";
import { print, tell } from "./output.ts";
import type { Caller } from "./service/caller/caller.ts";
import { runService } from "./service/service.ts";
import { misspeltVariables, slipsIn } from "./slips.ts";
import { hasLaunchd } from "./system/platform.ts";

async function main(): Promise<number> {
  const command = parseCommandLine(process.argv.slice(2), process.env, hasLaunchd ? "launchd" : "elsewhere");
  switch (command.kind) {
    case "usage":
      console.error(usage(process.argv0));
      return 1;
    case "help":
      print(await help());
      return 0;
    case "version":
      print(version);
      return 0;
    case "run":
      setLogLevel(command.settings.logLevel);
      for (const slip of misspeltVariables(process.env)) log.warn(slip);
      if (command.unused.length > 0)
        log.warn(`no program is run with -, and nothing after it has an effect: ${command.unused.join(" ")}`);
      return launch(command.program, command.settings, process.env);
    default:
      return runService(command, caller(), { print, tell });
  }
}

/** Of itself homedir() knows the account's folder alone: the Bun inside looks no variable up (scripts/deaf-runtime.ts). A user id without an account has none. */
function home(): string {
  try {
    return process.env.HOME || homedir();
  } catch {
    return "/";
  }
}

function caller(): Caller {
  return {
    argv0: process.argv0,
    environment: process.env,
    folder: process.cwd(),
    home: home(),
    uid: process.geteuid?.() ?? 0,
    jobsRunHere: hasLaunchd,
    terminal: process.stdout.isTTY,
    colour: process.stdout.isTTY && !process.env.NO_COLOR,
  };
}

try {
  process.exit(await main());
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  log.error(error.message);
  for (const slip of slipsIn(process.argv.slice(2))) log.error(slip);
  process.exit(1);
}
