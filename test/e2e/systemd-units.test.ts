/**
 * The units and commands of docs/linux.md, with the real systemd: as the manager of a user, in namespaces of its own,
 * where nobody has booted it (sd_booted(3) asks for /run/systemd/system).
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "../support/command.ts";
import { blocksOf, commandsOf } from "../support/documentation.ts";
import { peer } from "../support/peers.ts";
import { programUnderTest } from "../support/program-under-test.ts";

const systemd = peer("systemd-socket-activate", "systemd") === null ? null : "/lib/systemd/systemd";
const node = peer("node", "nodejs");
const namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"];
const possible =
  process.platform === "linux" &&
  systemd !== null &&
  node !== null &&
  Bun.spawnSync([...namespaces, "true"], { stderr: "ignore" }).exitCode === 0;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "units-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe.skipIf(!possible)("systemd (packages systemd, nodejs; for root)", () => {
  test("runs the units of docs/linux.md, by the commands that stand there", async () => {
    const units = join(folder, ".config/systemd/user");
    const hello = join(folder, "hello");
    for (const path of [units, hello]) await mkdir(path, { recursive: true });
    const blocks = blocksOf("docs/linux.md");
    for (const kind of ["Socket", "Service"]) {
      const unit = blocks.find(({ language, text }) => language === "ini" && text.includes(`[${kind}]`))?.text ?? "";
      const adapted = unit
        // A user's manager runs everything as that user.
        .replace("User=sam\n", "")
        .replace("/home/sam/hello", hello)
        .replace("/usr/local/sbin/launch_socket_server", programUnderTest.path)
        .replace("/usr/bin/node", node ?? "");
      await Bun.write(join(units, `hello.${kind.toLowerCase()}`), adapted);
    }
    for (const [name, command] of [
      ["systemctl", 'exec /usr/bin/systemctl --user "$@"'],
      ["sudo", 'exec "$@"'],
    ]) {
      await Bun.write(join(folder, `bin/${name}`), `#!/bin/sh\n${command}\n`);
      await chmod(join(folder, `bin/${name}`), 0o755);
    }
    const server = blocksOf("docs/install.md").find(({ text }) => text.startsWith("cat > server.mjs"))?.text ?? "";
    const commands = blocks.filter(({ language }) => language === "sh").flatMap(commandsOf);
    const script = [
      "mount -t proc proc /proc; mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system /run/user",
      "ip link set lo up",
      `cd ${hello}`,
      server,
      `${systemd} --user > ${folder}/log 2>&1 &`,
      "until systemctl is-system-running | grep -Eq 'running|degraded'; do sleep 0.05; done",
      // In the words of the page, and each with what came of it.
      ...commands.map(
        (command) => `${command}; echo "$(systemctl is-active hello.socket hello.service | tr '\\n' ' ')"`,
      ),
    ];
    await using run = new Command([...namespaces, "bash", "-euo", "pipefail", "-c", script.join("\n")], {
      env: { PATH: `${join(folder, "bin")}:${process.env.PATH}`, HOME: folder, XDG_RUNTIME_DIR: "/run/user" },
    });
    const { code, stdout, stderr } = await run.ended(60_000);
    const log = await Bun.file(join(folder, "log")).text();
    expect({ code, errors: code === 0 ? "" : `${stdout}${stderr}${log}` }).toEqual({ code: 0, errors: "" });
    const hi = `Hello from user ${process.getuid?.()}`;
    expect(stdout.split("\n").slice(0, -1)).toEqual([
      ...["inactive inactive ", "active inactive ", hi, "active active ", "active active ", hi, "active active "],
      "inactive inactive ",
    ]);
  }, 90_000);
});
