import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket } from "bun";
import { freePort } from "./support/ports.ts";
import { run, start } from "./support/program-under-test.ts";
import { waitFor } from "./support/wait.ts";

const listen = ["--listen", "127.0.0.1:0"];

function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "launcher-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

describe("SIGTERM", () => {
  test("to the program too, as systemd sends it to all of a service: that is a stop in order", async () => {
    for (let round = 0; round < 15; round++) {
      await using running = start([...listen, "/bin/sh", "-c", "echo ready; exec sleep 1000"]);
      await running.printed(/ready/);
      await running.logged(/serving/);
      process.kill(-running.pid, "SIGTERM");
      const { code, stderr } = await running.ended();
      expect(stderr).not.toContain("exited");
      expect(code).toBe(0);
    }
  });

  test("to the program alone is told as before", async () => {
    const { code, stderr } = await run([...listen, "/bin/sh", "-c", "kill -TERM $$"]);
    expect(stderr).toContain("program `/bin/sh' exited: signal: terminated\n");
    expect(code).toBe(1);
  });

  test("as soon as there is a generated folder: it is gone afterwards", async () => {
    using temporary = temporaryFolder();
    for (let round = 0; round < 15; round++) {
      await using running = start([...listen, "/bin/sleep", "1000"], { env: { TMPDIR: temporary.path } });
      const deadline = performance.now() + 10_000;
      // Without a pause: the moment is short.
      while (readdirSync(temporary.path).length === 0) expect(performance.now()).toBeLessThan(deadline);
      running.process.kill("SIGTERM");
      expect((await running.ended()).code).toBe(0);
      expect(readdirSync(temporary.path)).toEqual([]);
    }
  });
});

describe("the limit on open files", () => {
  test("leaves no room for a connection: a sentence, and nothing was started", async () => {
    using temporary = temporaryFolder();
    for (const limit of [11, 12, 14, 16, 20]) {
      const { code, stdout, stderr } = await run([...listen, "/bin/echo", "started"], {
        through: ["/bin/sh", "-c", `ulimit -n ${limit} && exec "$0" "$@"`],
        env: { TMPDIR: temporary.path },
      });
      expect(stderr).toMatch(/^launch_socket_server: cannot serve: the limit on open files .*\n$/);
      expect([code, stdout, readdirSync(temporary.path)]).toEqual([1, "", []]);
    }
  });

  test("of 64 is enough", async () => {
    const { stdout } = await run([...listen, "/bin/echo", "started"], {
      through: ["/bin/sh", "-c", 'ulimit -n 64 && exec "$0" "$@"'],
    });
    expect(stdout).toBe("started\n");
  });

  test("leaves room for each connection beside many listeners", async () => {
    const listeners = 30;
    const activation = `
      use IO::Socket::INET; use Fcntl; use POSIX ();
      my @sockets = map { IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 64) or die } 1..${listeners};
      my @high = map { fcntl($_, F_DUPFD, 100) } @sockets;
      POSIX::dup2($high[$_], 3 + $_) for 0..$#high;
      POSIX::close($_) for 3 + @high .. 200;
      @ENV{"LISTEN_FDS", "LISTEN_PID"} = (scalar @high, $$);
      exec "/bin/sh", "-c", 'ulimit -n 128 && exec "$0" "$@"', @ARGV`;
    const socket = { open: (peer: Socket) => void peer.write("x"), data: () => {} };
    using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket });
    const relay = ["--max-connections=1000", `--tcp-address=127.0.0.1:${server.port}`, "-"];
    await using running = start(relay, { through: ["perl", "-e", activation] });
    await running.serves();
    // One less than there may be, so that all listeners still accept.
    const most = Number((await running.logged(/taking (\d+)/))[1]) - 1;
    expect(most).toBeGreaterThan(10);
    let answered = 0;
    const clients: Socket[] = [];
    try {
      for (let count = 0; count < most; count++) {
        const { port } = running.addresses[count % listeners] as { port: number };
        clients.push(await Bun.connect({ hostname: "127.0.0.1", port, socket: { data: () => void answered++ } }));
      }
      await waitFor("an answer for each", () => answered === most);
    } finally {
      for (const client of clients) client.terminate();
    }
    expect(running.stderr).not.toContain("EMFILE");
  });
});

/** Names of our own, by a file that stands in the place of /etc/hosts for the process alone. */
describe.skipIf(process.platform !== "linux" || process.getuid?.() !== 0)("host names (as root on Linux)", () => {
  const names = "127.0.0.1 localhost\n127.0.0.9 two-addresses\n127.0.0.1 two-addresses\n";
  const named = (folder: string) => {
    const hosts = join(folder, "hosts");
    writeFileSync(hosts, names);
    return ["unshare", "--mount", "sh", "-c", `mount --bind '${hosts}' /etc/hosts && exec "$0" "$@"`];
  };

  test("every address of a target's name is tried", async () => {
    using temporary = temporaryFolder();
    await using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("hello") });
    const target = ["--tcp-address", `two-addresses:${server.port}`];
    await using running = start([...listen, ...target, "-"], { through: named(temporary.path) });
    const [, port] = await running.logged(/serving 127\.0\.0\.1:(\d+)/);
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect(await response.text()).toBe("hello");
    expect(running.stderr).not.toContain("error");
  });

  test("a name that has our own listener's address among others is refused as a target", async () => {
    using temporary = temporaryFolder();
    const port = freePort();
    const { code, stderr } = await run(
      ["--listen", `127.0.0.1:${port}`, "--tcp-address", `two-addresses:${port}`, "-"],
      { through: named(temporary.path) },
    );
    expect(stderr).toContain(
      `cannot relay to two-addresses:${port}: it is 127.0.0.1:${port}, which this program serves`,
    );
    expect(code).toBe(1);
  });

  test("every address of a name is bound", async () => {
    using temporary = temporaryFolder();
    await using running = start(["--listen", `two-addresses:${freePort()}`, "/bin/sleep", "1000"], {
      through: named(temporary.path),
    });
    const [line] = await running.logged(/serving .* by/);
    for (const host of ["127.0.0.1:", "127.0.0.9:"]) expect(line).toContain(host);
  });
});
