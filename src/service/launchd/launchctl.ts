import { reasonOf, UserError } from "../../errors.ts";

/** What `launchctl print` tells of a service that launchd knows. */
export interface ServiceState {
  /** The plist that it was loaded from; other origins stand in parentheses: `(submitted by smd.340)`. */
  path: string | undefined;
  /** The program that launchd runs. */
  program: string | undefined;
  /** Its arguments as launchctl prints them, a line each, and the variables that it prints; an argument or a value may be of several lines. */
  arguments: string[];
  environment: Map<string, string>;
  /** Where its output goes. */
  logs: { stdout: string | undefined; stderr: string | undefined };
  /** Null while it does not run. */
  pid: number | null;
  /** In launchctl's word: `running`, `not running`, `spawn scheduled`, `SIGTERMed` … */
  state: string | undefined;
  /** How many runs were begun. */
  runs: number | null;
  /** How its last run ended, to complete "it ended"; null before its first end. */
  lastEnd: string | null;
  /** The same for programs. */
  exit: Exit | null;
  /** launchd could not start the program at all (`job state = spawn failed`). */
  spawnFailed: boolean;
  /** launchd starts it again whenever it ends, as `properties` say; null where they are missing. */
  keepAlive: boolean | null;
  /** Seconds from one start to the next, at least; null where launchctl does not say. */
  minimumRuntime: number | null;
  /** Seconds from SIGTERM to SIGKILL; null where launchctl does not say. */
  exitTimeout: number | null;
}

/** How a run ended, by the one line of three that launchctl prints for it. */
export type Exit =
  | { kind: "status"; status: number; name: string | null }
  | { kind: "signal"; signal: number | null; name: string }
  /** What macOS ended it for: `OS_REASON_CODESIGNING`, `JETSAM_REASON_MEMORY_IDLE_EXIT`. */
  | { kind: "reason"; reason: string };

/** How a call of launchctl ended. */
export interface Outcome {
  status: number;
  /** Its words, for a sentence. */
  text: string;
}

/**
 * Exit codes of launchctl(1): errno's of macOS (xnu's bsd/sys/errno.h), or launchd's own from 100 on, which
 * `launchctl error CODE` names. EIO stands for nearly everything, also for a label that launchd has not let go of yet.
 */
export const ESRCH = 3;
export const EIO = 5;
export const EINPROGRESS = 36;
export const EALREADY = 37;
/** "Could not find specified service". */
const serviceUnknown = 113;
/** "Could not find specified domain", and "Domain does not support specified action": by ssh either comes. */
const domainUnknown = [112, 125];

/** The services of one domain, `system` or `gui/UID`, as launchctl(1) shows and changes them. */
export class Launchctl {
  constructor(
    readonly program: string,
    readonly domain: string,
  ) {}

  /** Null when launchd has no such service. Throws a UserError when it cannot be asked. */
  async print(label: string): Promise<ServiceState | null> {
    const { status, text } = await this.run("print", `${this.domain}/${label}`);
    if (status === 0) return readState(text);
    if (status === serviceUnknown) return null;
    if (domainUnknown.includes(status)) {
      throw new UserError(
        `cannot reach launchd's ${this.domain}: nobody is logged in as this user at the Mac's screen; log in there, or use sudo to install a daemon`,
      );
    }
    throw new UserError(`cannot ask launchd for ${label}: ${text} (launchctl print: exit status ${status})`);
  }

  bootstrap(path: string): Promise<Outcome> {
    return this.run("bootstrap", this.domain, path);
  }

  bootout(label: string): Promise<Outcome> {
    return this.run("bootout", `${this.domain}/${label}`);
  }

  enable(label: string): Promise<Outcome> {
    return this.run("enable", `${this.domain}/${label}`);
  }

  disable(label: string): Promise<Outcome> {
    return this.run("disable", `${this.domain}/${label}`);
  }

  /** Sends the service's process a signal; ESRCH where it does not run, 113 where it is not loaded. */
  kill(signal: NodeJS.Signals, label: string): Promise<Outcome> {
    return this.run("kill", signal, `${this.domain}/${label}`);
  }

  /** Starts it at once, whatever its throttle says (launchctl(1)); EALREADY where it runs. Never with -k, which sends SIGKILL. */
  kickstart(label: string): Promise<Outcome> {
    return this.run("kickstart", `${this.domain}/${label}`);
  }

  /** Whether somebody has disabled the label. False where launchd does not say. */
  async isDisabled(label: string): Promise<boolean> {
    return (await this.disabledLabels()).has(label);
  }

  /**
   * The labels that somebody has disabled; none where launchd does not say. It remembers them whether or not there is a service, and
   * prints a line `"LABEL" => disabled` for each (true before macOS 13), and others for what was enabled.
   */
  async disabledLabels(): Promise<Set<string>> {
    const { status, text } = await this.run("print-disabled", this.domain);
    if (status !== 0) return new Set();
    const lines = text.split("\n").map((line) => line.match(/^\s*"(.*)" => (disabled|true)$/)?.[1] ?? []);
    return new Set(lines.flat());
  }

  private async run(...args: string[]): Promise<Outcome> {
    try {
      const child = Bun.spawn([this.program, ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
      const [stdout, stderr, status] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      // Its second line advises to try again as root.
      const text =
        status === 0
          ? stdout
          : stderr
              .trim()
              .split("\n")
              .filter((line) => !/^(Bad request|Try re-)/.test(line))
              .join(" ");
      return { status, text };
    } catch (error) {
      throw new UserError(`cannot run ${this.program}: ${reasonOf(error)}; it belongs to macOS`);
    }
  }
}

/**
 * Reads what launchctl prints of a service. That is for people and differs between versions of macOS; the lines that are
 * read here have stayed from macOS 13 to 26. Those of the outermost level have one tab, and a block between them ends
 * with a brace after one tab: a line inside it says nothing of the service, whatever it looks like (an environment may
 * hold a value of several lines).
 */
export function readState(text: string): ServiceState {
  const values = new Map<string, string>();
  const words: string[] = [];
  const environment = new Map<string, string>();
  let block: string | null = null;
  for (const line of text.split("\n")) {
    if (block !== null) {
      if (line === "\t}" || line === "\t]") block = null;
      else if (block === "arguments") words.push(line.replace(/^\t\t/, ""));
      else if (block === "environment") {
        const [, name = "", value = ""] = line.match(/^\t\t(.+?) => (.*)$/) ?? [];
        environment.set(name, value);
      }
      continue;
    }
    const [, key = "", value = ""] = line.match(/^\t([^\t=]+) =>? (.*)$/) ?? [];
    if (value === "{" || value === "[") block = key;
    else if (key !== "" && !values.has(key)) values.set(key, value);
  }
  const number = (key: string) => {
    const found = Number.parseInt(values.get(key) ?? "", 10);
    return Number.isNaN(found) ? null : found;
  };
  const exit = readExit(values);
  return {
    path: values.get("path"),
    program: values.get("program") ?? words[0]?.trim(),
    arguments: words,
    environment,
    logs: { stdout: values.get("stdout path"), stderr: values.get("stderr path") },
    pid: number("pid"),
    state: values.get("state"),
    runs: number("runs"),
    lastEnd: exit === null ? null : describeExit(exit),
    exit,
    spawnFailed: values.get("job state") === "spawn failed",
    keepAlive: values.get("properties")?.split(" | ").includes("keepalive") ?? null,
    minimumRuntime: number("minimum runtime"),
    exitTimeout: number("exit timeout"),
  };
}

/**
 * A run that a signal has ended has a line of its own (`Killed: 9`), in place of the one for the exit code, and so has one that macOS
 * has ended (`last exit reason = OS_REASON_CODESIGNING`, sonichi/sutando#2981).
 */
function readExit(values: Map<string, string>): Exit | null {
  const signal = values.get("last terminating signal");
  if (signal !== undefined) {
    const [, name = signal, number] = signal.match(/^(.*): (\d+)$/) ?? [];
    return { kind: "signal", signal: number === undefined ? null : Number(number), name };
  }
  const [, status, name = null] = values.get("last exit code")?.match(/^(\d+)(?:: (.+))?$/) ?? [];
  if (status !== undefined) return { kind: "status", status: Number(status), name };
  const reason = values.get("last exit reason");
  return reason === undefined ? null : { kind: "reason", reason };
}

/** To complete "it ended". */
function describeExit(exit: Exit): string {
  switch (exit.kind) {
    case "signal":
      return `by the signal ${exit.name}${exit.signal === null ? "" : `: ${exit.signal}`}`;
    case "status":
      return `with status ${exit.status}${exit.name === null ? "" : `: ${exit.name}`}`;
    case "reason":
      return `for ${exit.reason}`;
  }
}
