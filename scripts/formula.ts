/**
 * The Homebrew formula of a release.
 *
 *   bun scripts/formula.ts SHA256SUMS
 *
 * prints it for the archives that these sums are of, as they are published.
 *
 * What it may contain was read from Homebrew's own source: `Library/Homebrew/service.rb` for the service block (a
 * socket given as a string is named "listeners" in the property list, one given by a key has the key's name) and
 * `requirements/macos_requirement.rb` (`depends_on macos:` with a version is satisfied on Linux too, so it takes
 * `depends_on :macos` beside it; Homebrew 6 wants the version inside `on_macos` then). `stop_timeout`, which becomes
 * ExitTimeOut, is there since Homebrew 6.0.13 (Homebrew/brew#23294); without it launchd's own 5 s hold, which the stop timeout fits into.
 */

import { existsSync } from "node:fs";
import { downloadsOf, repository } from "./repository.ts";

/** Where an archive can be had, and the SHA-256 of its bytes in hexadecimal. */
export interface Download {
  readonly url: string;
  readonly sha256: string;
}

export interface Release {
  readonly version: string;
  readonly homepage: string;
  readonly arm64: Download;
  readonly x64: Download;
}

/**
 * The release whose archives lie below `base` and have these sums, in the lines of sha256sum(1).
 *
 * @throws Error when a Mac's archive is missing, or when the sums are of several versions.
 */
export function releaseOf(sums: string, base: (version: string) => string): Release {
  const archives = [...sums.matchAll(/^([0-9a-f]{64}) [ *](launch_socket_server-(.+)-(\w+-\w+)\.tar\.gz)$/gm)];
  const versions = new Set(archives.map(([, , , version]) => version));
  const [version] = versions;
  if (version === undefined || versions.size > 1) {
    throw new Error(`cannot write the formula: the sums are of ${versions.size} versions instead of one`);
  }
  const download = (wanted: string): Download => {
    const [, sha256, file] = archives.find(([, , , , target]) => target === wanted) ?? [];
    if (sha256 === undefined) throw new Error(`cannot write the formula: there is no archive for ${wanted}`);
    return { url: `${base(version)}/${file}`, sha256 };
  };
  return { version, homepage: repository, arm64: download("darwin-arm64"), x64: download("darwin-x64") };
}

/**
 * Returns the text of launch_socket_server.rb.
 *
 * @throws Error when a value could end the Ruby string that it is written into.
 */
export function formula({ version, homepage, arm64, x64 }: Release): string {
  return `class LaunchSocketServer < Formula
  desc "Bind to privileged ports without running a server as root"
  homepage ${ruby(homepage)}
  version ${ruby(version)}
  license "MIT"

  on_arm do
    url ${ruby(arm64.url)}
    sha256 ${ruby(arm64.sha256)}
  end
  on_intel do
    url ${ruby(x64.url)}
    sha256 ${ruby(x64.sha256)}
  end

  depends_on :macos

  on_macos do
    depends_on macos: :ventura
  end

  def install
    sbin.install "sbin/launch_socket_server"
    bin.install_symlink sbin/"launch_socket_server"
    (libexec/"launch_socket_server").install "libexec/launch_socket_server/login_wrapper"
    man8.install "share/man/man8/launch_socket_server.8"
    bash_completion.install "share/bash-completion/completions/launch_socket_server"
    zsh_completion.install "share/zsh/site-functions/_launch_socket_server"
    fish_completion.install "share/fish/vendor_completions.d/launch_socket_server.fish"
    # They work as they are installed.
    inreplace Dir["share/launch_socket_server/examples/*/*.plist"],
              "/usr/local/sbin/launch_socket_server", opt_sbin/"launch_socket_server"
    pkgshare.install "share/launch_socket_server/examples"
    prefix.install "README.md", "LICENSE", "NOTICES"
  end

  def caveats
    <<~EOS
      The service listens on 127.0.0.1:80 and relays to a server of yours on 127.0.0.1:8080.
      Start it as yourself, without sudo: under sudo it would run as root. (launchd is known to
      open port 80 for a user on all addresses. If it refuses 127.0.0.1:80, run a daemon with a
      UserName instead: see README.md and the examples in #{opt_pkgshare}/examples.)
    EOS
  end

  service do
    run [opt_sbin/"launch_socket_server", "-"]
    environment_variables LAUNCH_PROGRAM_TCP_ADDRESS: "127.0.0.1:8080", LAUNCH_PROGRAM_STOP_TIMEOUT: "4s"
    keep_alive true
    # Homebrew before 6.0.13 has no word for it; launchd then gives 5 seconds.
    stop_timeout 9 if respond_to?(:stop_timeout)
    log_path var/"log/launch_socket_server.log"
    error_log_path var/"log/launch_socket_server.log"
    sockets Socket: "tcp://127.0.0.1:80"
  end

  test do
    require "socket"

    program = opt_sbin/"launch_socket_server"
    assert_includes shell_output("#{program} 2>&1", 1), "usage: #{program} "
    assert_match version.to_s, shell_output("#{program} --version")

    # A server on a Unix socket, reached through the program on a port of the test's own.
    backend = UNIXServer.new(testpath/"backend.sock")
    answering = Thread.new do
      client = backend.accept
      client.write "pong to #{client.gets}"
      client.close
    end
    port = free_port
    ENV["LAUNCH_PROGRAM_SOCKET_PATH"] = (testpath/"backend.sock").to_s
    pid = spawn program.to_s, "--listen", "127.0.0.1:#{port}", "-"
    begin
      client = nil
      100.times do
        client = TCPSocket.new("127.0.0.1", port)
        break
      rescue Errno::ECONNREFUSED
        sleep 0.1
      end
      client.puts "ping"
      assert_equal "pong to ping\\n", client.read
      answering.join
    ensure
      Process.kill "TERM", pid
      Process.wait pid
    end
    assert_equal 0, $CHILD_STATUS.exitstatus
  end
end
`;
}

function ruby(text: string): string {
  if (/["\\#\p{Cc}]/u.test(text)) throw new Error(`cannot write the formula: "${text}" does not fit into it`);
  return `"${text}"`;
}

if (import.meta.main) {
  try {
    const [file, ...more] = process.argv.slice(2);
    if (file === undefined || more.length > 0) throw new Error("usage: bun scripts/formula.ts SHA256SUMS");
    if (!existsSync(file))
      throw new Error(`cannot write the formula: there is no ${file}; name a release's SHA256SUMS`);
    process.stdout.write(formula(releaseOf(await Bun.file(file).text(), downloadsOf)));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(`launch_socket_server: ${error.message}`);
    process.exit(1);
  }
}
