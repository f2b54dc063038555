/** Installs a formula with the stand-in for Homebrew beside this file, which needs Ruby. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Entry, tar } from "../../scripts/archive.ts";
import { formula } from "../../scripts/formula.ts";
import { runIn } from "./checkout.ts";

/** What the formula said, and where the stand-in put things. */
export interface Installation {
  readonly desc: string;
  readonly homepage: string;
  readonly version: string;
  readonly license: string;
  readonly url: string;
  readonly sha256: string;
  readonly requirements: readonly string[];
  readonly caveats: string;
  readonly requires_root: boolean;
  /** The keg, and the link that stays the same from version to version. */
  readonly prefix: string;
  readonly opt_prefix: string;
  /** The property list that `brew services start` would give to launchd. */
  readonly plist: string;
}

/**
 * Installs into `prefix`, a folder that the caller removes; `test` runs the formula's own test too. `version` is the
 * Homebrew that is played: 6.0.18 unless told otherwise.
 *
 * @throws Error with everything that Ruby said when anything fails.
 */
export async function brewInstall(
  ruby: string,
  formula: string,
  prefix: string,
  processor: "arm" | "intel",
  test?: "test",
  version?: string,
): Promise<Installation> {
  const standIn = join(import.meta.dir, "homebrew.rb");
  const command = [ruby, "-w", standIn, formula, prefix, processor, ...(test === undefined ? [] : [test])];
  const { status, stdout, stderr } = await runIn(
    ".",
    command,
    version === undefined ? {} : { HOMEBREW_STAND_IN_VERSION: version },
  );
  if (status !== 0) throw new Error(`brew install ended with ${status}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as Installation;
}

/**
 * Writes an archive laid out as a release's, with this program in it, and launch_socket_server.rb, which names it for
 * one processor; for the other there is nothing.
 */
export async function writeRelease(
  folder: string,
  program: Uint8Array<ArrayBuffer>,
  processor: "arm" | "intel" = "arm",
): Promise<{ path: string; archive: string }> {
  const { version } = (await Bun.file("package.json").json()) as { version: string };
  const bytes = (text: string) => new TextEncoder().encode(text);
  const file = (path: string, mode: number, content: Uint8Array<ArrayBuffer>): Entry => ({
    path: `launch_socket_server-${version}-test/${path}`,
    mode,
    content,
  });
  await mkdir(folder, { recursive: true });
  const archive = join(folder, "archive.tar.gz");
  const content = Bun.gzipSync(
    tar([
      file("sbin/launch_socket_server", 0o755, program),
      file("libexec/launch_socket_server/login_wrapper", 0o755, bytes("#!/bin/sh\n")),
      file("share/man/man8/launch_socket_server.8", 0o644, bytes(".Dd\n")),
      ...[
        "bash-completion/completions/launch_socket_server",
        "zsh/site-functions/_launch_socket_server",
        "fish/vendor_completions.d/launch_socket_server.fish",
      ].map((path) => file(`share/${path}`, 0o644, bytes("# completions\n"))),
      file(
        "share/launch_socket_server/examples/nginx/example.plist",
        0o644,
        bytes("<string>/usr/local/sbin/launch_socket_server</string>\n"),
      ),
      ...["README.md", "LICENSE", "NOTICES"].map((name) => file(name, 0o644, bytes(`${name}\n`))),
    ]),
    { level: 1 },
  );
  await Bun.write(archive, content);
  const download = { url: Bun.pathToFileURL(archive).href, sha256: Bun.SHA256.hash(content, "hex") };
  const elsewhere = { url: "file:///nowhere.tar.gz", sha256: "0".repeat(64) };
  const [arm64, x64] = processor === "arm" ? [download, elsewhere] : [elsewhere, download];
  const path = join(folder, "launch_socket_server.rb");
  await Bun.write(path, formula({ version, homepage: "https://example.com", arm64, x64 }));
  return { path, archive };
}
