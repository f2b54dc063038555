/**
 * launchctl's stand-in: a program `launchctl` to put first on PATH, which has the launchd stand-in of the test do what it is
 * told. Exit codes, sentences and delays are those that people report of macOS 13 to 26: `print` finds a service
 * that is being stopped (`state = SIGTERMed`), and for seconds after it is gone `bootstrap` fails with 5.
 *
 *   await using launchctl = new Launchctl({ folder, domain: "system" });
 *   spawn(program, { env: { PATH: `${launchctl.bin}:${process.env.PATH}` } });
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { readJob } from "./plist.ts";
import { type Job, Launchd } from "./stand-in.ts";

export interface LaunchctlOptions {
  /** For everything that the stand-in writes; anybody may be made to run its program. */
  folder: string;
  /** The one domain that there is: `system` or `gui/UID`. */
  domain: string;
  /** Milliseconds for which a label that is gone cannot be loaded again. */
  settle?: number;
  /** Milliseconds between two starts of a job. */
  throttle?: number;
}

interface Service {
  job: Job;
  path: string;
  stopping: boolean;
}

interface Answer {
  status: number;
  stdout?: string;
  stderr?: string;
}

/** The client is a shell script, which every user can run: it puts its words down and waits for the answer. */
const client = (spool: string) => `#!/bin/sh
request=${spool}/$$
printf '%s\\n' "$@" > "$request.words"
mv "$request.words" "$request.request"
while [ ! -e "$request.status" ]; do sleep 0.02; done
cat "$request.stdout"
cat "$request.stderr" >&2
exit "$(cat "$request.status")"
`;

export class Launchctl implements AsyncDisposable {
  /** The folder of the program. */
  readonly bin: string;
  /** What it was called with, each call in one line. */
  readonly calls: string[] = [];
  readonly launchd: Launchd;
  readonly #spool: string;
  readonly #services = new Map<string, Service>();
  readonly #gone = new Map<string, number>();
  readonly #enabled = new Set<string>();
  readonly #timer: Timer;
  readonly #options: Required<LaunchctlOptions>;

  constructor({ settle = 300, throttle = 10_000, ...options }: LaunchctlOptions) {
    this.#options = { settle, throttle, ...options };
    this.bin = join(options.folder, "launchctl");
    this.#spool = join(options.folder, "launchctl-spool");
    this.launchd = new Launchd({ folder: options.folder, throttle });
    mkdirSync(this.bin);
    mkdirSync(this.#spool);
    chmodSync(this.#spool, 0o1777);
    writeFileSync(join(this.bin, "launchctl"), client(this.#spool));
    chmodSync(join(this.bin, "launchctl"), 0o755);
    this.#timer = setInterval(() => this.#serve(), 10);
  }

  /** The job that is loaded under a label. */
  job(label: string): Job | undefined {
    return this.#services.get(label)?.job;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.launchd.close();
  }

  #serve(): void {
    for (const name of readdirSync(this.#spool)) {
      if (!name.endsWith(".request")) continue;
      const request = join(this.#spool, basename(name, ".request"));
      const words = readFileSync(`${request}.request`, "utf8").split("\n").slice(0, -1);
      rmSync(`${request}.request`);
      this.calls.push(words.join(" "));
      this.#answer(words).then(({ status, stdout = "", stderr = "" }) => {
        if (!existsSync(this.#spool)) return;
        writeFileSync(`${request}.stdout`, stdout);
        writeFileSync(`${request}.stderr`, stderr);
        writeFileSync(`${request}.new`, String(status));
        renameSync(`${request}.new`, `${request}.status`);
      });
    }
  }

  async #answer([verb = "", target = "", ...rest]: string[]): Promise<Answer> {
    const { domain } = this.#options;
    const [at, label] = verb === "bootstrap" ? [target, ""] : [dirname(target), basename(target)];
    if (at !== domain) {
      if (verb === "print") return { status: 125, stderr: "Domain does not support specified action\n" };
      return { status: 125, stderr: `${verb}: 125: Domain does not support specified action\n` };
    }
    switch (verb) {
      case "print":
        return this.#print(label);
      case "bootout":
        return this.#bootout(label);
      case "enable":
        this.#enabled.add(label);
        return { status: 0 };
      case "bootstrap":
        return this.#bootstrap(rest[0] ?? "");
      default:
        return { status: 64, stderr: `Unrecognized subcommand: ${verb}\n` };
    }
  }

  #print(label: string): Answer {
    const { domain } = this.#options;
    const service = this.#services.get(label);
    if (service === undefined) {
      const where = domain === "system" ? "system" : `user gui: ${basename(domain)}`;
      return { status: 113, stderr: `Bad request.\nCould not find service "${label}" in domain for ${where}\n` };
    }
    const { job, path, stopping } = service;
    const last = job.exits.at(-1);
    const state = stopping ? "SIGTERMed" : { throttled: "spawn scheduled", waiting: "not running" }[String(job.state)];
    const lines = [
      `${domain}/${label} = {`,
      `\tactive count = ${job.pid === null ? 0 : 1}`,
      `\tpath = ${path}`,
      `\ttype = ${domain === "system" ? "LaunchDaemon" : "LaunchAgent"}`,
      `\tstate = ${state ?? "running"}`,
      "",
      "\tenvironment = {",
      `\t\tXPC_SERVICE_NAME => ${label}`,
      "\t}",
      "",
      `\truns = ${job.starts}`,
      ...(job.pid === null ? [] : [`\tpid = ${job.pid}`]),
      `\tlast exit code = ${last === undefined ? "(never exited)" : last.code === 78 ? "78: EX_CONFIG" : (last.code ?? 0)}`,
      "",
      "\tsockets = {",
      '\t\t"Socket" = {',
      "\t\t\tpid = 1",
      "\t\t\tpath = /nowhere",
      "\t\t}",
      "\t}",
      "}",
    ];
    return { status: 0, stdout: `${lines.join("\n")}\n` };
  }

  #bootout(label: string): Answer {
    const service = this.#services.get(label);
    if (service === undefined) return { status: 3, stderr: "Boot-out failed: 3: No such process\n" };
    const quick = service.job.pid === null;
    service.stopping = true;
    service.job.unload().then(() => {
      this.#services.delete(label);
      this.#gone.set(label, performance.now());
    });
    return quick ? { status: 0 } : { status: 36, stderr: "Boot-out failed: 36: Operation now in progress\n" };
  }

  async #bootstrap(path: string): Promise<Answer> {
    const { domain, settle } = this.#options;
    const refuse = (status: number, words: string): Answer => {
      const advice = domain === "system" ? "" : "Try re-running the command as root for richer errors.\n";
      return { status, stderr: `Bootstrap failed: ${status}: ${words}\n${advice}` };
    };
    const busy = refuse(5, "Input/output error");
    let label: string;
    try {
      label = readJob(path).label;
    } catch {
      return busy;
    }
    const { uid, mode } = statSync(path);
    if ((domain === "system" && uid !== 0) || (mode & 0o022) !== 0)
      return refuse(122, "Path had bad ownership/permissions");
    const gone = this.#gone.get(label) ?? Number.NEGATIVE_INFINITY;
    if (this.#services.has(label) || !this.#enabled.has(label) || performance.now() < gone + settle) return busy;
    try {
      this.#services.set(label, { job: await this.launchd.load(path, { capture: true }), path, stopping: false });
      return { status: 0 };
    } catch {
      return busy;
    }
  }
}
