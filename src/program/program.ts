import { constants } from "node:os";
import type { Subprocess } from "bun";
import { reasonOf } from "../errors.ts";
import { log } from "../log.ts";
import { highestDescriptor, isIgnored, peekExit, withOpenFilesLimit } from "../system/process.ts";
import { findProgram, requireExecutable, startError } from "./path.ts";

/** How a program ended. */
export type Exit = { kind: "status"; status: number } | { kind: "signal"; signal: string };

/**
 * The program's soft limit on open files: Bun raises its own to the hard limit before any of our code runs, and
 * programs that go through every possible descriptor suffer from a million of them.
 */
export const openFiles = 10_240;
/** Bun opens a descriptor that tells of a child's end (pidfd_open(2)); so many may be opened for a start, whatever is open already. */
const descriptorsOfStart = 16;

/** The signals that a shell or nohup may have set to be ignored, which the program is to inherit so. */
const inheritable = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTSTP", "SIGTTIN", "SIGTTOU"] as const;

/** The server that is run. */
export class Program {
  /** When it was started, on the clock of performance.now(). */
  readonly started = performance.now();
  readonly since = new Date();
  /** Resolves when it has ended. */
  readonly exited: Promise<Exit>;
  /** Whether it is being stopped, so that its end is no crash. */
  stopping = false;
  #asked = false;
  #exit: Exit | null = null;

  private constructor(
    readonly command: readonly [string, ...string[]],
    readonly process: Subprocess<"inherit", "inherit", "inherit">,
  ) {
    this.exited = process.exited.then((): Exit => {
      const { signalCode, exitCode } = process;
      this.#exit =
        signalCode === null
          ? { kind: "status", status: exitCode ?? 0 }
          : { kind: "signal", signal: String(signalCode) };
      return this.#exit;
    });
  }

  /**
   * Starts `command`, found through PATH, with our stdin, stdout and stderr and the given environment; it gets no other
   * descriptor. Throws a UserError when it cannot be started.
   */
  static start(command: [string, ...string[]], environment: Record<string, string | undefined>): Program {
    const [name, ...args] = command;
    const path = findProgram(name, environment.PATH);
    const ignored = inheritable.filter((signal) => isIgnored(constants.signals[signal]));
    if (ignored.length > 0) requireExecutable(name, path);
    try {
      const start = ignored.length === 0 ? null : ignoring(ignored, environment, [path, ...args]);
      // A daemon with so many connections that no descriptor below the limit is left starts a copy too, for a reload.
      const limit = Math.max(openFiles, highestDescriptor() + descriptorsOfStart);
      const process = withOpenFilesLimit(limit, () =>
        Bun.spawn(start?.command ?? [path, ...args], {
          ...(start === null ? { argv0: name } : {}),
          env: start?.environment ?? environment,
          stdio: ["inherit", "inherit", "inherit"],
        }),
      );
      return new Program(command, process);
    } catch (error) {
      throw startError(name, path, reasonOf(error));
    }
  }

  get name(): string {
    return this.command[0];
  }

  get running(): boolean {
    return this.#exit === null;
  }

  /**
   * Whether it has ended by a signal or with a status other than 0 although nobody stops it. Asks the kernel, since its sockets
   * are closed before its end is told. A signal that asks for an end may be part of a stop that we have not heard of yet.
   */
  get crashed(): boolean {
    if (this.stopping) return false;
    if (this.#exit !== null) return hasFailed(this.#exit);
    const exit = peekExit(this.process.pid);
    if (exit === null) return false;
    return "status" in exit ? exit.status !== 0 : !askingForEnd.includes(exit.signal);
  }

  /**
   * Asks it to end by `signal`, null where it has had that already, and kills it at `deadline`, a time of performance.now(), or when
   * `kill` is aborted. It is asked once, however often this is called. Returns whether it has ended of its own.
   */
  async end(signal: NodeJS.Signals | null, deadline: number, kill?: AbortSignal): Promise<boolean> {
    this.stopping = true;
    if (!this.#asked && signal !== null) this.signal(signal);
    this.#asked = true;
    await Promise.race([this.exited, elapsed(deadline - performance.now()), aborted(kill)]);
    if (!this.running) return true;
    log.error(`program \`${this.name}' did not end in time and was killed`);
    this.signal("SIGKILL");
    await this.exited;
    return false;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.process.kill(signal);
  }
}

function elapsed(milliseconds: number): Promise<void> {
  if (milliseconds === Number.POSITIVE_INFINITY) return new Promise(() => {});
  return Bun.sleep(Math.max(0, milliseconds));
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve()));
}

/** Whether a program has ended otherwise than with status 0. */
export function hasFailed(exit: Exit): boolean {
  return exit.kind === "signal" || exit.status !== 0;
}

const askingForEnd = [constants.signals.SIGTERM, constants.signals.SIGINT, constants.signals.SIGHUP];

/** An exit as the original words it: `exit status 3`, `signal: killed`. */
export function describeExit(exit: Exit): string {
  return exit.kind === "status" ? `exit status ${exit.status}` : `signal: ${signalNames[exit.signal] ?? exit.signal}`;
}

/** Go's words for the signals that end a process. */
const signalNames: Record<string, string> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGILL: "illegal instruction",
  SIGTRAP: "trace/breakpoint trap",
  SIGABRT: "aborted",
  SIGBUS: "bus error",
  SIGFPE: "floating point exception",
  SIGKILL: "killed",
  SIGUSR1: "user defined signal 1",
  SIGSEGV: "segmentation fault",
  SIGUSR2: "user defined signal 2",
  SIGPIPE: "broken pipe",
  SIGALRM: "alarm clock",
  SIGTERM: "terminated",
};

/** Variables that shells set, change or drop on their own (dash, bash and zsh as sh), and names that they cannot hold. */
const shellsOwn =
  /^(_|BASH\w*|COMP_WORDBREAKS|DIRSTACK|EPOCH\w+|EUID|FUNCNAME|GROUPS|HISTCMD|HOST\w+|IFS|LINENO|MACHTYPE|OLDPWD|OPT\w+|OSTYPE|PIPESTATUS|PPID|PS\d|PWD|RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|UID)$|^[^A-Za-z_]|\W/;

/**
 * Bun gives children default dispositions; a shell sets those that we were given to be ignored, and becomes the program.
 * The variables that concern shells come by the command line of env(1), which sets them without the shell's knowledge; that
 * everybody can see command lines is why the others do not.
 */
function ignoring(
  signals: readonly string[],
  environment: Record<string, string | undefined>,
  [path, ...args]: [string, ...string[]],
): { command: string[]; environment: Record<string, string | undefined> } {
  const names = signals.map((signal) => signal.slice(3)).join(" ");
  const script = `trap '' ${names}; exec /usr/bin/env -u PWD -u OLDPWD -u SHLVL -u _ -- "$@"`;
  const variables = Object.entries(environment).filter(([, value]) => value !== undefined);
  const assignments = variables.filter(([name]) => shellsOwn.test(name)).map(([name, value]) => `${name}=${value}`);
  // env would take a path with = in it for a variable; nice(1) does not.
  const program = path.includes("=") ? ["/usr/bin/nice", "-n", "0", path] : [path];
  return {
    command: ["/bin/sh", "-c", script, "sh", ...assignments, ...program, ...args],
    environment: Object.fromEntries(variables.filter(([name]) => !shellsOwn.test(name))),
  };
}
