/**
 * What `launchctl print DOMAIN/LABEL` says of a job, in the form of published texts of real Macs: an agent and a daemon
 * with all their blocks (glowinthedark/pylaunchd#1, macOS 13; creativeprojects/resticprofile, schedule/handler_darwin_test.go),
 * one that an app has submitted (OakGimbap/micpeg, docs). Tabs; a block is closed by a
 * brace that is indented like its first line.
 */
import { constants } from "node:os";
import type { Exit, Job } from "./job.ts";
import type { JobDescription } from "./plist.ts";

/** How a job came to launchd, as `path` and `type` tell it. */
export interface Origin {
  /** The plist's path, or `(submitted by smd.340)`: a job without a file of its own. */
  path: string;
  type: "LaunchDaemon" | "LaunchAgent" | "Submitted";
}

export interface Printed extends Origin {
  domain: string;
  job: Job;
  description: JobDescription;
  stopping: boolean;
}

/**
 * The states that the binary of macOS 26.5 knows (rundesk-ai/rundesk-cli) are not running, spawn scheduled, spawning, running, SIGTERMed,
 * SIGKILLed, languishing and exited; spawn scheduled is the time of the throttle.
 */
function stateOf({ job, stopping }: Printed): string {
  if (stopping) return "SIGTERMed";
  return { throttled: "spawn scheduled", waiting: "not running" }[String(job.state)] ?? "running";
}

export function printed(service: Printed): string {
  const { domain, job, description, path, type } = service;
  const agent = domain !== "system";
  const pid = job.pid === null ? [] : [`pid = ${job.pid}`, "immediate reason = ipc (socket)", "forks = 0", "execs = 1"];
  const lines = [
    `active count = ${job.pid === null ? 0 : 1}`,
    `path = ${path}`,
    `type = ${type}`,
    ...(type === "Submitted" ? ["managed_by = com.apple.xpc.ServiceManagement"] : []),
    `state = ${stateOf(service)}`,
    "",
    // What an app has submitted is named by its place in the app.
    type === "Submitted" ? "program identifier = Contents/MacOS/helper (mode: 2)" : `program = ${description.program}`,
    ...block("arguments = {", description.arguments),
    "",
    ...(description.stdout === null ? [] : [`stdout path = ${description.stdout}`]),
    ...(description.stderr === null ? [] : [`stderr path = ${description.stderr}`]),
    ...block("default environment = {", ["PATH => /usr/bin:/bin:/usr/sbin:/sbin"]),
    "",
    ...block("environment = {", [
      ...Object.entries(description.environment).map(([name, value]) => `${name} => ${value}`),
      `XPC_SERVICE_NAME => ${job.label}`,
    ]),
    "",
    `domain = ${domain}${agent ? " [100022]" : ""}`,
    ...(agent ? ["asid = 100022"] : []),
    "minimum runtime = 10",
    `exit timeout = ${job.exitTimeout / 1000}`,
    `runs = ${job.starts}`,
    ...pid,
    lastEnd(job.exits.at(-1)),
    "",
    ...block("resource coalition = {", ["ID = 45940", "type = resource", "state = active", "active count = 1"]),
    "",
    ...block(
      "sockets = {",
      [...job.sockets.keys()].flatMap((name) =>
        block(`"${name}" = {`, ["type = stream", "path = /nowhere", "pid = 1"]),
      ),
    ),
    "",
    "spawn type = daemon (3)",
    // After a spawn that failed; the words are in seven public texts, such as DragShelf's issue on its login item, 2026.
    ...(job.exits.at(-1)?.error != null ? ["job state = spawn failed"] : []),
    "",
    ...properties(description),
  ];
  return `${[`${domain}/${job.label} = {`, ...lines.map((line) => (line === "" ? "" : `\t${line}`)), "}"].join("\n")}\n`;
}

/**
 * With KeepAlive a dictionary there is no `keepalive` but a block `semaphores` (an agent of macOS 26 with SuccessfulExit false, tests of
 * com.mattstack.daemon). That a job with neither has no line at all is a guess; `inferred program` is there where Program is not.
 */
function properties({ keepAlive, runAtLoad }: JobDescription): string[] {
  const words = [...(keepAlive === true ? ["keepalive"] : []), ...(runAtLoad ? ["runatload"] : []), "inferred program"];
  return [`properties = ${words.join(" | ")}`];
}

function block(first: string, lines: string[]): string[] {
  return [first, ...lines.map((line) => `\t${line}`), "}"];
}

/**
 * A signal's line takes the place of the exit code's, and those of sysexits.h have their names: `78: EX_CONFIG`, which
 * is launchd's own where it could not start the program (jackielii/skhd.zig#30; adaex/mihomo-cli, CLAUDE.md: the two lines exclude each other).
 */
function lastEnd(exit: Exit | undefined): string {
  if (exit === undefined) return "last exit code = (never exited)";
  if (exit.signal !== null) {
    const number = constants.signals[exit.signal];
    return `last terminating signal = ${signalNames[exit.signal] ?? exit.signal}: ${number}`;
  }
  return `last exit code = ${exit.code === 78 ? "78: EX_CONFIG" : exit.code}`;
}

/** As strsignal(3) of macOS has them. */
const signalNames: Partial<Record<NodeJS.Signals, string>> = {
  SIGHUP: "Hangup",
  SIGINT: "Interrupt",
  SIGABRT: "Abort trap",
  SIGKILL: "Killed",
  SIGSEGV: "Segmentation fault",
  SIGTERM: "Terminated",
};
