import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { ProgramCommand } from "../settings/command-line.ts";
import { isExecutableFile, searchPath } from "../system/path-search.ts";
import type { Caller } from "./caller/caller.ts";
import type { ServiceDescription } from "./description.ts";
import { neededExitTimeout } from "./exit-timeout.ts";
import type { Dictionary } from "./plist/value.ts";
import { writePlist } from "./plist/write.ts";

/** Where relative paths are taken from, and where this program lies. */
export interface Origin {
  folder: string;
  /** The program's own path, as `ownPath` finds it. */
  self: string;
}

/** The property list of a service, with the keys in the order in which people read them, and only those it needs. */
export function jobOf(service: ServiceDescription, { folder, self }: Origin): Dictionary {
  const log = service.log === undefined ? undefined : resolve(folder, service.log);
  const sockets = [...service.sockets].map(([name, entries]) => {
    const list = entries.map((entry): Dictionary => {
      if ("host" in entry) return { SockNodeName: entry.host, SockServiceName: entry.port };
      const { path, mode } = entry;
      // launchd.plist(5) wants the mode as an integer, and property lists know no octal ones.
      return { SockPathName: resolve(folder, path), ...(mode === undefined ? {} : { SockPathMode: mode }) };
    });
    return [name, list.length === 1 ? (list[0] ?? {}) : list] as const;
  });
  return {
    Label: service.label,
    ...(service.user === undefined ? {} : { UserName: service.user }),
    ...(service.group === undefined ? {} : { GroupName: service.group }),
    ProgramArguments: [self, ...service.flags, ...programArguments(service, { folder, self })],
    ...(service.environment.size === 0 ? {} : { EnvironmentVariables: Object.fromEntries(service.environment) }),
    ...(service.workingDirectory === undefined ? {} : { WorkingDirectory: service.workingDirectory }),
    Sockets: Object.fromEntries(sockets),
    ...(service.start === "keep-running" ? { KeepAlive: true } : {}),
    ExitTimeOut: neededExitTimeout(service.settings),
    ...(log === undefined ? {} : { StandardOutPath: log, StandardErrorPath: log }),
  };
}

/** The property list of a service as text; what is relative in it is below the caller's folder. */
export function plistOf(
  service: ServiceDescription,
  { argv0, environment, folder }: Pick<Caller, "argv0" | "environment" | "folder">,
): string {
  return writePlist(jobOf(service, { folder, self: ownPath(argv0, environment.PATH, folder) }));
}

/**
 * This program's path as it was called, found through PATH, with links not resolved: the link stays right when what it
 * points at moves with the next upgrade.
 */
export function ownPath(argv0: string, path: string | undefined, folder: string): string {
  if (argv0.includes("/")) return resolve(folder, argv0);
  return searchPath(argv0, path, folder).find(isExecutableFile) ?? process.execPath;
}

function programArguments({ program, loginShell }: ServiceDescription, origin: Origin): string[] {
  if (program === null) return ["-"];
  const [name, ...args] = program;
  const command: ProgramCommand = [name.includes("/") ? resolve(origin.folder, name) : name, ...args];
  if (loginShell) return [loginWrapper(origin.self), ...command];
  return name.startsWith("-") ? ["--", ...command] : command;
}

/** Below the same prefix; Homebrew links sbin into its prefix but not libexec, which is to be found below opt. */
function loginWrapper(self: string): string {
  const prefix = dirname(dirname(self));
  const path = "libexec/launch_socket_server/login_wrapper";
  const candidates = [join(prefix, path), join(prefix, "opt/launch_socket_server", path)];
  return candidates.find((candidate) => existsSync(candidate)) ?? join(prefix, path);
}
