import { networkInterfaces } from "node:os";
import { lookUpHost } from "../../address.ts";
import { platform } from "../../system/platform.ts";

/** A user, with all groups that it is in. */
export interface Account {
  name: string;
  uid: number;
  groups: number[];
}

/** What the checks ask of the machine that they run on. */
export interface Machine {
  /** Null for an unknown user. */
  user(name: string): Account | null;
  hasGroup(name: string): boolean;
  /** The IP addresses of its interfaces. */
  addresses(): string[];
  /** The IP addresses of a host name; none for one that cannot be looked up. */
  lookUp(host: string): Promise<string[]>;
  /** Who runs the checks: an agent of theirs runs as them. */
  self(): Account;
  /** The folder of the users' homes. */
  homes: string;
  /** The folder of the system's daemons, whose files launchd wants to be root's. */
  daemons: string;
}

/** This machine. */
export const thisMachine: Machine = {
  user(name) {
    // A number is looked up by id as well, by launchd not (getpwnam(3)).
    if (name === "" || run("/usr/bin/id", "-un", "--", name) !== name) return null;
    return account(name, [name]);
  },
  hasGroup(name) {
    if (name === "") return false;
    // Directory Services say nothing, and no error, for a group that they do not know.
    if (platform === "macos") return run("/usr/bin/dscacheutil", "-q", "group", "-a", "name", name) !== "";
    return run("/usr/bin/getent", "group", "--", name).split(":")[0] === name;
  },
  addresses: () => Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)),
  lookUp: (host) => lookUpHost(host).catch(() => []),
  self: () => account(run("/usr/bin/id", "-un"), []),
  homes: "/Users",
  daemons: "/Library/LaunchDaemons",
};

function account(name: string, words: string[]): Account {
  const groups = run("/usr/bin/id", "-G", "--", ...words)
    .split(" ")
    .map(Number);
  return { name, uid: Number(run("/usr/bin/id", "-u", "--", ...words)), groups };
}

/** What a program of the system prints on its first line; empty when it fails. */
function run(...command: string[]): string {
  const { exitCode, stdout } = Bun.spawnSync(command, { stdin: "ignore", stderr: "ignore" });
  return exitCode === 0 ? (stdout.toString().split("\n")[0] ?? "") : "";
}
