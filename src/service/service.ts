import { UserError } from "../errors.ts";
import type { Caller, Output } from "./caller/caller.ts";
import { checkPlists } from "./check-plists.ts";
import type { ServiceCommand } from "./command.ts";
import { uninstall, uninstallationSteps } from "./install/uninstall.ts";
import { installService } from "./install-service.ts";
import { domainOf, launchctlOf } from "./launchd/domain.ts";
import { changeService } from "./lifecycle/lifecycle.ts";
import { printPlist } from "./print-plist.ts";
import { reloadProgram } from "./reload/reload.ts";
import { showStatus } from "./status/status.ts";

/** Runs one of the service commands. Returns the exit code. Throws a UserError. */
export async function runService(command: ServiceCommand, caller: Caller, output: Output): Promise<number> {
  switch (command.kind) {
    case "print-plist":
      return printPlist(command.service, caller, output);
    case "check-plist":
      return checkPlists(command, caller, output);
    case "install":
      refuseWithoutLaunchd(
        `cannot install ${"file" in command.source ? command.source.file : command.source.service.label}`,
        command,
        caller,
      );
      return installService(command, caller, output);
    case "uninstall":
      refuseWithoutLaunchd(`cannot uninstall ${command.label}`, command, caller);
      return runUninstall(command, caller, output);
    case "reload":
      return reloadProgram(command, caller, output);
    case "stop":
    case "start":
    case "restart":
      await changeService(command, caller, output.print);
      return 0;
    case "status":
      return showStatus(command, caller, output);
  }
}

async function runUninstall(
  { label, dryRun }: Extract<ServiceCommand, { kind: "uninstall" }>,
  caller: Caller,
  { print, tell }: Output,
): Promise<number> {
  const domain = domainOf(caller);
  const launchctl = launchctlOf(domain, caller);
  if (launchctl === null) {
    tell(`note: this system has no launchd; on a Mac that has ${label} installed:`);
    print(uninstallationSteps(label, domain).join("\n"));
    return 0;
  }
  const { steps, kept, logs } = await uninstall(label, domain, launchctl, dryRun);
  print(dryRun ? steps.join("\n") : `${label} is uninstalled`);
  for (const file of kept) print(`${file} is still there: the property list that --replace took the place of`);
  for (const file of logs) print(`${file} is still there: its log`);
  return 0;
}

function refuseWithoutLaunchd(attempt: string, { dryRun }: { dryRun: boolean }, { jobsRunHere }: Caller): void {
  if (jobsRunHere || dryRun) return;
  throw new UserError(
    `${attempt}: that needs macOS and its launchd; --dry-run, --print-plist and --check-plist work here`,
  );
}
