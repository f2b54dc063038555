import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { freePort } from "../support/ports.ts";
import { bytesFrom } from "../support/stream.ts";
import { accepts, Comparison, need, run, sha256 } from "./comparison.ts";

test("sftp: 200 MB up and down with the same checksum", async () => {
  await using comparison = new Comparison();
  const key = comparison.path("key");
  await run([need("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", key]);
  const port = freePort();
  // sshd wants this folder, which its service makes.
  mkdirSync("/run/sshd", { recursive: true });
  const settings = {
    ListenAddress: `127.0.0.1:${port}`,
    HostKey: key,
    AuthorizedKeysFile: `${key}.pub`,
    PidFile: "none",
    StrictModes: "no",
    UsePAM: "no",
    Subsystem: "sftp internal-sftp",
  };
  writeFileSync(
    comparison.path("sshd_config"),
    Object.entries(settings)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(""),
  );
  const sshd = [need("sshd", "openssh-server"), "-D", "-e", "-f", comparison.path("sshd_config")];
  await comparison.serve(sshd, () => accepts({ port }));
  const relay = await comparison.relay("--tcp-address", `127.0.0.1:${port}`);
  const file = comparison.path("file");
  writeFileSync(file, Buffer.concat(new Array(25).fill(bytesFrom(0, 8_000_000))));
  const sent = await sha256(file);
  for (const [name, where] of [
    ["direct", port],
    ["relayed", relay],
  ] as const) {
    const options = [
      "-q",
      "-b",
      "-",
      "-P",
      `${where}`,
      "-i",
      key,
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "UserKnownHostsFile=/dev/null",
    ];
    const [up, down] = [comparison.path(`${name}.up`), comparison.path(`${name}.down`)];
    const user = process.env.USER ?? "root";
    const { status, stderr } = await run(
      [need("sftp", "openssh-client"), ...options, `${user}@127.0.0.1`],
      `put ${file} ${up}\nget ${up} ${down}\n`,
    );
    expect([name, status, stderr]).toEqual([name, 0, ""]);
    expect([name, await sha256(up), await sha256(down)]).toEqual([name, sent, sent]);
  }
}, 180_000);
