/** Jobs of the real launchd, made for one check and removed after it. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "plist";
import { readState, type ServiceState } from "../../src/service/launchd/launchctl.ts";
import { freePort } from "../../test/support/ports.ts";
import { BlockingSocket } from "./blocking-socket.ts";

/** What the checks run with: copies in a folder that every user may read and no privacy protection covers. */
export interface Bench {
  /** The folder; work files, property lists and logs are here. */
  readonly work: string;
  /** Where root installs daemons: /Library/LaunchDaemons. */
  readonly daemons: string;
  readonly program: string;
  readonly loginWrapper: string;
  readonly bun: string;
  readonly backend: string;
  readonly user: { readonly name: string; readonly uid: number };
}

/** Where jobs run: as the user's own agents, or as daemons that root installs and that run as the user. */
export interface Place {
  readonly kind: "agent" | "daemon";
  /** launchctl's word for it: gui/501, user/501 or system. */
  readonly domain: string;
  /** The port to listen on; null for any that is free. */
  readonly port: number | null;
}

export interface ServiceOptions {
  /** Where the backend listens: on a generated path, on a fixed one, or on a TCP port. */
  readonly target?: "generated" | "path" | "tcp";
  /** `-`: the backend is started beside the program instead of by it. */
  readonly proxyOnly?: boolean;
  /** What stands before the backend's command. */
  readonly wrapper?: readonly string[];
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The key under Sockets. */
  readonly socketName?: string;
  readonly keepAlive?: boolean;
  /** ExitTimeOut, in seconds; without it launchd's own holds. */
  readonly exitTimeout?: number;
}

const PREFIX = "launch-socket-server.verify.";
let jobs = 0;

/** A job that is loaded, from `start` until `stop`. */
export class Service {
  readonly #outside: Bun.Subprocess | null;
  #loaded = true;

  private constructor(
    readonly bench: Bench,
    readonly place: Place,
    readonly label: string,
    readonly port: number,
    outside: Bun.Subprocess | null,
  ) {
    this.#outside = outside;
  }

  /** Writes the property list and loads it. @throws Error with a sentence when launchd refuses it. */
  static async start(bench: Bench, place: Place, options: ServiceOptions = {}): Promise<Service> {
    // Of this run alone: launchd goes on refusing a label for seconds after its job is gone.
    const label = `${PREFIX}${place.kind}.${process.pid}-${++jobs}`;
    const port = place.port ?? freePort();
    const { target = "generated", proxyOnly = false, wrapper = [], args = [] } = options;
    const targets = {
      generated: {},
      path: { LAUNCH_PROGRAM_SOCKET_PATH: join(bench.work, `${label}.socket`) },
      tcp: { LAUNCH_PROGRAM_TCP_ADDRESS: `127.0.0.1:${freePort()}` },
    };
    const environment = { ...targets[target], ...options.environment };
    const backend = [bench.bun, bench.backend, ...args];
    const description = {
      Label: label,
      ...(place.kind === "daemon" ? { UserName: bench.user.name } : {}),
      ProgramArguments: [bench.program, ...(proxyOnly ? ["-"] : [...wrapper, ...backend])],
      ...(Object.keys(environment).length > 0 ? { EnvironmentVariables: environment } : {}),
      Sockets: {
        [options.socketName ?? "Socket"]: { SockNodeName: "127.0.0.1", SockServiceName: String(port) },
      },
      RunAtLoad: true,
      KeepAlive: options.keepAlive ?? false,
      ...(options.exitTimeout === undefined ? {} : { ExitTimeOut: options.exitTimeout }),
      StandardOutPath: join(bench.work, `${label}.log`),
      StandardErrorPath: join(bench.work, `${label}.log`),
    };
    const plist = join(bench.work, `${label}.plist`);
    await Bun.write(plist, build(description));
    const outside = proxyOnly ? startBackend(bench, environment) : null;
    const service = new Service(bench, place, label, port, outside);
    try {
      await service.#load(plist);
    } catch (error) {
      await service.stop();
      throw error;
    }
    return service;
  }

  connect(): BlockingSocket {
    return BlockingSocket.connect({ kind: "tcp", host: "127.0.0.1", port: this.port });
  }

  /** Sends a command to the backend and returns its whole answer. @throws Error when that does not come or not end. */
  ask(command: string): string {
    const socket = this.connect();
    try {
      socket.send(`${command}\n`);
      const { bytes, ending } = socket.receiveAll();
      if (ending !== "end")
        throw new Error(`the answer to "${command}" ended with ${ending} after ${bytes.length} bytes`);
      return new TextDecoder().decode(bytes);
    } finally {
      socket.close();
    }
  }

  log(): string {
    const path = join(this.bench.work, `${this.label}.log`);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** The daemon's process, or null while there is none. */
  pid(): number | null {
    return this.state()?.pid ?? null;
  }

  /** What launchd says of the job, or null when it does not know it. */
  state(): ServiceState | null {
    const { exitCode, stdout } = this.#launchctl("print", `${this.place.domain}/${this.label}`);
    return exitCode === 0 ? readState(stdout.toString()) : null;
  }

  signal(name: "SIGTERM"): void {
    this.#launchctl("kill", name, `${this.place.domain}/${this.label}`);
  }

  /** Has the program itself restart it, as root does. */
  restart(): Bun.Subprocess<"ignore", "pipe", "pipe"> {
    const command = ["sudo", "-n", this.bench.program, "--restart", this.label];
    return Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  }

  /** Unloads the job without waiting until its process has ended. */
  bootout(): void {
    this.#launchctl("bootout", `${this.place.domain}/${this.label}`);
  }

  /** Unloads the job and waits until launchd no longer knows it. May be called again. */
  async stop(): Promise<void> {
    this.#outside?.kill();
    if (!this.#loaded) return;
    this.#loaded = false;
    this.bootout();
    await until("launchd forgets the job", 30_000, () => this.state() === null);
    if (this.place.kind === "daemon") root("rm", "-f", join(this.bench.daemons, `${this.label}.plist`));
  }

  async #load(plist: string): Promise<void> {
    let installed = plist;
    if (this.place.kind === "daemon") {
      // launchd takes daemons from root alone; the cleaning up of scripts/verify-macos finds them here.
      installed = join(this.bench.daemons, `${this.label}.plist`);
      const copied = root("install", "-o", "root", "-g", "wheel", "-m", "0644", plist, installed);
      if (copied.exitCode !== 0) throw new Error(`cannot install ${installed}: ${copied.stderr.toString().trim()}`);
    }
    const { exitCode, stderr } = this.#launchctl("bootstrap", this.place.domain, installed);
    if (exitCode !== 0) throw new Error(`launchctl bootstrap failed: ${stderr.toString().trim()}`);
  }

  #launchctl(...args: string[]): Bun.SyncSubprocess<"pipe", "pipe"> {
    return this.place.kind === "daemon" ? root("launchctl", ...args) : run("launchctl", ...args);
  }
}

/** Starts the backend beside the program. Its process id is noted for the cleaning up of scripts/verify-macos. */
export function startBackend(bench: Bench, environment: Readonly<Record<string, string>>): Bun.Subprocess {
  const backend = Bun.spawn([bench.bun, bench.backend], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "inherit", "inherit"],
  });
  appendFileSync(join(bench.work, "backends"), `${backend.pid}\n`);
  return backend;
}

/** The folder that a generated socket path lies in. */
export function folderOf(socket: string): string {
  return dirname(socket);
}

export function run(...command: string[]): Bun.SyncSubprocess<"pipe", "pipe"> {
  return Bun.spawnSync(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
}

/** Runs a command as root; scripts/verify-macos has asked for the password. */
export function root(...command: string[]): Bun.SyncSubprocess<"pipe", "pipe"> {
  return run("sudo", "-n", ...command);
}

/** Waits until something is so. @throws Error that names it when it is not so after `timeout` milliseconds. */
export async function until(what: string, timeout: number, isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + timeout;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`waited ${timeout / 1000} s in vain until ${what}`);
    await Bun.sleep(50);
  }
}
