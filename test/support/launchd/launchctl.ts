/**
 * launchctl's stand-in: a program `launchctl` to put first on PATH, which has the launchd stand-in of the test do what it is
 * told. (Where its answers come from stands beside each.)
 *
 *   await using launchctl = new Launchctl({ folder, domains: ["system"] });
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
import type { Job } from "./job.ts";
import { readJob } from "./plist.ts";
import { type Origin, type Printed, printed } from "./print.ts";
import { Launchd } from "./stand-in.ts";

export interface LaunchctlOptions {
  /** For everything that the stand-in writes; anybody may be made to run its program. */
  folder: string;
  /** The domains that there are: `system`, `gui/UID`. */
  domains: string[];
  /** Labels that somebody has disabled (`launchctl disable`, or a switch in the system's settings). */
  disabled?: string[];
  /** Milliseconds for which a label that is gone cannot be loaded again. */
  settle?: number;
  /** Milliseconds between two starts of a job. */
  throttle?: number;
  /** The folder in which the caller's /Library lies: of the Mac program, which knows no other place. */
  root?: string;
  /** See LaunchdOptions. */
  agentsHaveLowPorts?: boolean;
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
while [ ! -e "$request.status" ]; do
  [ -d ${spool} ] || exit 70
  sleep 0.02
done
cat "$request.stdout"
cat "$request.stderr" >&2
status=$(cat "$request.status")
rm -f "$request.stdout" "$request.stderr" "$request.status"
exit "$status"
`;

export class Launchctl implements AsyncDisposable {
  /** The folder of the program. */
  readonly bin: string;
  /** What it was called with, each call in one line. */
  readonly calls: string[] = [];
  readonly launchd: Launchd;
  readonly #spool: string;
  /** By DOMAIN/LABEL. */
  readonly #services = new Map<string, Printed>();
  /** When a label was forgotten. */
  readonly #gone = new Map<string, number>();
  readonly #disabled: Set<string>;
  readonly #timer: Timer;
  readonly #domains: string[];
  readonly #settle: number;
  readonly #root: string;

  /**
   * Reports say that a bootstrap behind a bootout fails for up to three or four seconds (tuist/tuist#10143,
   * nteract/nteract#1187); `settle` is shorter, so that nobody waits.
   */
  constructor({
    folder,
    domains,
    disabled = [],
    settle = 300,
    throttle = 10_000,
    root = "",
    agentsHaveLowPorts = true,
  }: LaunchctlOptions) {
    this.#domains = domains;
    this.#disabled = new Set(disabled);
    this.#settle = settle;
    this.#root = root;
    this.bin = join(folder, "bin");
    this.#spool = join(folder, "launchctl-spool");
    this.launchd = new Launchd({ folder, throttle, root, takenAddress: "leave out", agentsHaveLowPorts });
    mkdirSync(this.bin);
    mkdirSync(this.#spool);
    chmodSync(this.#spool, 0o1777);
    writeFileSync(join(this.bin, "launchctl"), client(this.#spool));
    chmodSync(join(this.bin, "launchctl"), 0o755);
    this.#timer = setInterval(() => this.#serve(), 10);
  }

  /** The job that is loaded under a label, in whatever domain. */
  job(label: string): Job | undefined {
    return [...this.#services.values()].find(({ job }) => job.label === label)?.job;
  }

  /** What is loaded, as DOMAIN/LABEL. */
  get loaded(): string[] {
    return [...this.#services.keys()];
  }

  /** Loads a job as somebody else has: launchd calls its origin what `origin` says. */
  async load(domain: string, plist: string, origin: Partial<Origin> = {}): Promise<Job> {
    const agent = domain !== "system";
    const user = agent ? userOf(domain) : null;
    const job = await this.launchd.load(plist, { capture: true, agent, ...(user === null ? {} : { user }) });
    const type = agent ? "LaunchAgent" : "LaunchDaemon";
    const description = readJob(plist);
    const path = plist.startsWith(`${this.#root}/Library/`) ? plist.slice(this.#root.length) : plist;
    this.#services.set(`${domain}/${job.label}`, {
      ...{ domain, job, description, path, type, stopping: false },
      ...origin,
    });
    return job;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.launchd.close();
    rmSync(this.#spool, { recursive: true, force: true });
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

  /**
   * Statuses from 100 on are launchd's own, and `launchctl error STATUS` names them: 112, 113, 119, 122, 125 (macOS 26.5,
   * rundesk-ai/rundesk-cli). 113 is a service that is not loaded, and 3 is bootout's word for it (adaex/mihomo-cli).
   */
  async #answer([verb = "", first = "", second = ""]: string[]): Promise<Answer> {
    const target = verb === "kill" ? second : first;
    const domain = verb === "bootstrap" || this.#domains.includes(target) ? target : dirname(target);
    if (!this.#domains.includes(domain)) return foreignDomain(verb, domain);
    switch (verb) {
      case "print":
        return target === domain ? { status: 0, stdout: `${domain} = {\n}\n` } : this.#print(target);
      case "bootout":
        return this.#bootout(target);
      case "enable":
        this.#disabled.delete(basename(target));
        return { status: 0 };
      case "disable":
        this.#disabled.add(basename(target));
        return { status: 0 };
      // In this form since macOS 13 (a note on the two vocabularies of the bit); what was enabled is listed, too.
      case "print-disabled": {
        const lines = [...this.#disabled].map((label) => `\t\t"${label}" => disabled\n`).join("");
        return { status: 0, stdout: `\n\tdisabled services = {\n\t\t"com.example.other" => enabled\n${lines}\t}\n` };
      }
      case "bootstrap":
        return this.#bootstrap(domain, second);
      case "kill":
        return this.#kill(target, first);
      case "kickstart":
        return this.#kickstart(target);
      default:
        return { status: 64, stderr: `Unrecognized subcommand: ${verb}\n` };
    }
  }

  #print(target: string): Answer {
    const service = this.#services.get(target);
    if (service !== undefined) return { status: 0, stdout: printed(service) };
    return { status: 113, stderr: unknownService(target) };
  }

  /**
   * Where the process has to end first, bootout may end with 36 (NixOS/nix-installer filters that line out) or with 0
   * (measured on macOS 26); the job is printed as SIGTERMed until it has.
   */
  #bootout(target: string): Answer {
    const service = this.#services.get(target);
    if (service === undefined) return { status: 3, stderr: "Boot-out failed: 3: No such process\n" };
    const quick = service.job.pid === null;
    service.stopping = true;
    service.job.unload().then(() => {
      this.#services.delete(target);
      this.#gone.set(target, performance.now());
    });
    return quick ? { status: 0 } : { status: 36, stderr: "Boot-out failed: 36: Operation now in progress\n" };
  }

  /** A job that does not run: 3 and these words (an uninstaller's test on a Mac whose service was stopped, U041). 113 is a guess. */
  #kill(target: string, signal: string): Answer {
    const job = this.#services.get(target)?.job;
    if (job === undefined) return { status: 113, stderr: unknownService(target) };
    if (job.pid === null) return { status: 3, stderr: "No process to signal.\n" };
    job.kill(signal as NodeJS.Signals);
    return { status: 0 };
  }

  /**
   * Without -k a job that runs is left alone: 37, and its pid is printed as that of one that was started (hops, the launcher of
   * com.grabbr.hops). 113 for one that is not loaded: the same.
   */
  #kickstart(target: string): Answer {
    const service = this.#services.get(target);
    if (service === undefined) {
      return { status: 113, stderr: "Could not kickstart service: 113: Could not find service\n" };
    }
    const running = service.job.pid !== null;
    service.job.kickstart();
    return { status: running ? 37 : 0, stdout: `service spawned with pid: ${service.job.pid}\n` };
  }

  /**
   * 5 stands for nearly everything: a label on its way out (openclaw/openclaw#136453), a disabled one, a plist that is
   * none. 37 is a label that is loaded, 122 a file that others may write to; both have been told as 5, too.
   */
  async #bootstrap(domain: string, named: string): Promise<Answer> {
    const path = named.startsWith("/Library/") ? join(this.#root, named) : named;
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
    const target = `${domain}/${label}`;
    const gone = this.#gone.get(target) ?? Number.NEGATIVE_INFINITY;
    if ((domain === "system" && uid !== 0) || (mode & 0o022) !== 0)
      return refuse(122, "Path had bad ownership/permissions");
    const known = this.#services.get(target);
    if (known !== undefined && !known.stopping) return refuse(37, "Operation already in progress");
    if (known !== undefined || this.#disabled.has(label) || performance.now() < gone + this.#settle) return busy;
    try {
      await this.load(domain, path);
      return { status: 0 };
    } catch {
      return busy;
    }
  }
}

function unknownService(target: string): string {
  const domain = dirname(target);
  const where = domain === "system" ? "system" : `user gui: ${basename(domain)}`;
  return `Bad request.\nCould not find service "${basename(target)}" in domain for ${where}\n`;
}

/** A user's gui domain is there while that user is logged in at the screen; 112 and 125 have both been seen (openclaw/openclaw). */
function foreignDomain(verb: string, domain: string): Answer {
  if (verb !== "print") return { status: 125, stderr: `${verb}: 125: Domain does not support specified action\n` };
  return { status: 112, stderr: `Bad request.\nCould not find domain for user gui: ${basename(domain)}\n` };
}

/** Whom the jobs of a user's domain run as; null where the machine has no such user, and they run as the tests do. */
function userOf(domain: string): string | null {
  const { exitCode, stdout } = Bun.spawnSync(["id", "-un", basename(domain)], { stderr: "ignore" });
  return exitCode === 0 ? stdout.toString().trim() : null;
}
