import { reasonOf, UserError } from "../log.ts";

/** What `launchctl print` tells of a service that launchd knows. */
export interface ServiceState {
  /** The plist that it was loaded from. */
  path: string | undefined;
  /** Null while it does not run. */
  pid: number | null;
  /** Null before its first end. */
  lastExit: number | null;
}

/** How a call of launchctl ended. */
export interface Outcome {
  status: number;
  /** Its words, for a sentence. */
  text: string;
}

/** Exit codes of launchctl(1), which are errno's of macOS (xnu's bsd/sys/errno.h) or launchd's own from 100 on. */
export const ESRCH = 3;
export const EIO = 5;
export const EINPROGRESS = 36;
export const EALREADY = 37;
const serviceUnknown = 113;
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

/** The output is for people and has changed between versions; these lines have stayed. Nested ones have more tabs. */
function readState(text: string): ServiceState {
  const value = (key: string) => text.match(new RegExp(`^\\t${key} = (.*)$`, "m"))?.[1];
  const number = (key: string) => {
    const found = Number.parseInt(value(key) ?? "", 10);
    return Number.isNaN(found) ? null : found;
  };
  return { path: value("path"), pid: number("pid"), lastExit: number("last exit code") };
}
