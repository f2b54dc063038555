import { readdirSync, readFileSync } from "node:fs";
import { type Address, parseAddress } from "../../src/address.ts";
import { program as path, Run } from "./program.ts";

export interface DaemonOptions {
  options?: string[];
  /** Does it bind a free port by itself? Else the options or `command` bring its sockets. */
  listen?: boolean;
  /** The program and its arguments; `-` for none. */
  program?: string[];
  environment?: Record<string, string | undefined>;
  /** What starts the daemon, before its own path: `["prlimit", "--nofile=64"]`. */
  command?: string[];
  /** Is the line about what is served to be waited for? */
  ready?: boolean;
}

/** The built program while it serves. */
export class Daemon extends Run {
  /** What it serves, as its first line says. */
  addresses: Address[] = [];
  /** Where that leads. */
  target: Address = { kind: "unix", path: "" };

  /** Starts the program and waits until it serves. */
  static async start(given: DaemonOptions): Promise<Daemon> {
    const { options = [], listen = true, program = ["-"], environment = {}, command = [], ready = true } = given;
    const daemon = new Daemon(
      [...command, path, ...(listen ? ["--listen", "127.0.0.1:0"] : []), ...options, ...program],
      { env: { ...process.env, LAUNCH_DAEMON_LOG_LEVEL: "info", ...environment } },
    );
    if (ready) await daemon.serves();
    return daemon;
  }

  get address(): Address {
    const [address] = this.addresses;
    if (address === undefined) throw new Error("the daemon serves nothing");
    return address;
  }

  async serves(): Promise<void> {
    const line = await this.logged(/serving (.*) by .* at (.*)\n/);
    this.addresses = (line[1] ?? "").split(", ").map((address) => parseAddress(address));
    this.target = parseAddress(line[2] ?? "");
  }

  /** How many descriptors it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Memory of its own in bytes, without the pages of its executable (proc(5), status). */
  get memory(): number {
    const [, kilobytes] = readFileSync(`/proc/${this.pid}/status`, "utf8").match(/^RssAnon:\s+(\d+) kB$/m) ?? [];
    return Number(kilobytes) * 1024;
  }

  /** Seconds of processor time used so far, in user and system mode (proc(5), stat; 100 ticks a second). */
  get processorTime(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Which part of a core it uses during the next `milliseconds`. */
  async load(milliseconds: number): Promise<number> {
    const [start, used] = [performance.now(), this.processorTime];
    await Bun.sleep(milliseconds);
    return ((this.processorTime - used) * 1000) / (performance.now() - start);
  }
}
