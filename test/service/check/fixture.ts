import { afterEach, beforeEach } from "bun:test";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkPlist, type Finding } from "../../../src/service/check/check.ts";
import type { PlistFile } from "../../../src/service/check/inspection.ts";
import type { Account, Machine } from "../../../src/service/check/machine.ts";
import type { Dictionary, PlistValue } from "../../../src/service/plist/value.ts";
import { writePlist } from "../../../src/service/plist/write.ts";

const sam: Account = { name: "sam", uid: 60_501, groups: [60_020] };
const root: Account = { name: "root", uid: 0, groups: [0] };

/** A machine with the user sam, the group staff and a network card, and a folder of programs that all may run. */
export class CheckFixture {
  folder = "";
  machine: Machine = {
    user: (name) => [sam, root].find((account) => account.name === name) ?? null,
    hasGroup: (name) => name === "staff",
    addresses: () => ["127.0.0.1", "::1", "192.0.2.7", "fe80::1"],
    lookUp: async (host) => ({ localhost: ["127.0.0.1", "::1"], elsewhere: ["198.51.100.1"] })[host] ?? [],
    self: () => sam,
    homes: "/Users",
    daemons: "",
  };

  constructor() {
    beforeEach(async () => {
      this.folder = await mkdtemp(join(tmpdir(), "check-"));
      this.machine.daemons = join(this.folder, "LaunchDaemons");
      for (const name of ["bin/launch_socket_server", "bin/server", "bin/login_wrapper", "secret"]) {
        await Bun.write(join(this.folder, name), "#!/bin/sh\n");
        await chmod(join(this.folder, name), name === "secret" ? 0o700 : 0o755);
      }
      await mkdir(join(this.folder, "logs"), { mode: 0o755 });
      await mkdir(join(this.folder, "shared"));
      await chmod(join(this.folder, "shared"), 0o1777);
      await mkdir(join(this.folder, "LaunchDaemons"));
      await chmod(this.folder, 0o755);
      await chmod(join(this.folder, "bin"), 0o755);
    });
    afterEach(() => rm(this.folder, { recursive: true }));
  }

  /** A job without a fault, with other keys; undefined takes one out. */
  job(changes: { [key: string]: PlistValue | undefined } = {}): Dictionary {
    const all: { [key: string]: PlistValue | undefined } = {
      Label: "com.example.web",
      UserName: "sam",
      ProgramArguments: [join(this.folder, "bin/launch_socket_server"), join(this.folder, "bin/server")],
      Sockets: { Socket: { SockNodeName: "127.0.0.1", SockServiceName: "80" } },
      ...changes,
    };
    return JSON.parse(JSON.stringify(all));
  }

  async check(
    job: Dictionary | string,
    { portable, ...file }: Partial<PlistFile> & { portable?: boolean } = {},
  ): Promise<Finding[]> {
    const bytes = new TextEncoder().encode(typeof job === "string" ? job : writePlist(job));
    const path = join(this.folder, "com.example.web.plist");
    return (await checkPlist({ path, bytes, stats: null, kind: "daemon", ...file }, this.machine, portable)).findings;
  }

  /** The findings about a job with these changes, each as `severity key: why`. */
  async findings(
    changes: Parameters<CheckFixture["job"]>[0],
    how: Parameters<CheckFixture["check"]>[1] = {},
  ): Promise<string[]> {
    const found = await this.check(this.job(changes), how);
    return found.map(({ severity, key, why }) => `${severity} ${key}: ${why.replaceAll(this.folder, "FOLDER")}`);
  }
}
