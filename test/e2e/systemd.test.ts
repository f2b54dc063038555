/** systemd's socket protocol, by the real systemd-socket-activate and the released program. */
import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { peer } from "../support/peers.ts";
import { freePort } from "../support/ports.ts";
import { type ProgramUnderTest, start } from "../support/program-under-test.ts";
import { waitFor } from "../support/wait.ts";

const activate = peer("systemd-socket-activate", "systemd");
const server = [process.execPath, resolve(import.meta.dir, "../support/plain-server.ts")];

/** Runs systemd-socket-activate, which starts the program at the first connection. */
async function activated<T>(
  options: string[],
  command: string[],
  use: (program: ProgramUnderTest) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "systemd-"));
  try {
    await using started = start(command, { through: [activate ?? "", ...options, "-E", `TMPDIR=${folder}`] });
    await started.logged(/Listening on/);
    return await use(started);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe.skipIf(!activate)("under systemd-socket-activate (package systemd)", () => {
  test("all sockets are served, and the protocol's variables do not reach the program", async () => {
    const ports = [freePort(), freePort()];
    const options = ports.flatMap((port) => ["-l", `127.0.0.1:${port}`]);
    await activated(options, server, async (daemon) => {
      for (const port of ports) {
        const { env } = (await (await fetch(`http://127.0.0.1:${port}/`)).json()) as { env: Record<string, string> };
        expect(Object.keys(env).filter((name) => name.startsWith("LISTEN_"))).toEqual([]);
        expect(env.LAUNCH_DAEMON_SOCKET_NAME).toBe("Socket");
      }
      daemon.signal("SIGTERM");
      expect(await daemon.exited).toBe(0);
    });
  });

  test("a name given selects among the sockets", async () => {
    const [web, other] = [freePort(), freePort()];
    const options = ["--fdname=web:other", "-l", `127.0.0.1:${web}`, "-l", `127.0.0.1:${other}`];
    await activated(options, ["--socket-name", "web", ...server], async (daemon) => {
      const { env } = (await (await fetch(`http://127.0.0.1:${web}/`)).json()) as { env: Record<string, string> };
      expect(env.LAUNCH_DAEMON_SOCKET_NAME).toBe("web");
      expect(daemon.stderr).toContain(`serving 127.0.0.1:${web} by`);
      daemon.signal("SIGTERM");
      expect(await daemon.exited).toBe(0);
    });
  });

  test("a name that is not there is a sentence that says which are", async () => {
    const [port, second] = [freePort(), freePort()];
    await activated(
      ["--fdname=other:web", "-l", `127.0.0.1:${port}`, "-l", `127.0.0.1:${second}`],
      ["--socket-name", "Web", "true"],
      async (daemon) => {
        await fetch(`http://127.0.0.1:${port}/`).catch(() => {});
        expect(await daemon.exited).toBe(1);
        expect(daemon.stderr).toContain(
          'error activating launch socket: no socket named "Web" was passed, only "web", "other"',
        );
      },
    );
  });

  test("a datagram socket is refused", async () => {
    const port = freePort();
    await activated(["--datagram", "-l", `127.0.0.1:${port}`], ["true"], async (daemon) => {
      const socket = await Bun.udpSocket({ connect: { hostname: "127.0.0.1", port } });
      socket.send("wake up");
      expect(await daemon.exited).toBe(1);
      expect(daemon.stderr).toMatch(
        /error activating launch socket: descriptor 3 of ".*" is a datagram socket \(127\.0\.0\.1:\d+\)/,
      );
      socket.close();
    });
  });

  test("routes go by the sockets' names", async () => {
    const [first, second] = [freePort(), freePort()];
    const backends = ["first", "second"].map((text) =>
      Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(text) }),
    );
    const routes = backends.flatMap(({ port }, index) => ["--route", `${"AB"[index]}=127.0.0.1:${port}`]);
    const options = ["--fdname=A:B", "-l", `127.0.0.1:${first}`, "-l", `127.0.0.1:${second}`];
    await activated(options, [...routes, "-"], async (daemon) => {
      expect(await (await fetch(`http://127.0.0.1:${first}/`, { keepalive: false })).text()).toBe("first");
      expect(await (await fetch(`http://127.0.0.1:${second}/`, { keepalive: false })).text()).toBe("second");
      daemon.signal("SIGTERM");
      expect(await daemon.exited).toBe(0);
    });
    await Promise.all(backends.map((backend) => backend.stop(true)));
  });

  test("sockets are handed over by --pass-sockets", async () => {
    const port = freePort();
    const reply =
      "import sys, os, socket; c = socket.socket(fileno=3).accept()[0]; c.sendall(('%s %s' % (os.environ['LISTEN_FDNAMES'], os.environ['LISTEN_PID'] == str(os.getpid()))).encode())";
    await activated(
      ["--fdname=web", "-l", `127.0.0.1:${port}`],
      ["--pass-sockets", "python3", "-c", reply],
      async (daemon) => {
        let answer = "";
        await Bun.connect({
          hostname: "127.0.0.1",
          port,
          socket: {
            data: (_, data) => {
              answer += data.toString();
            },
          },
        });
        expect(await daemon.exited).toBe(0);
        await waitFor("the answer", () => answer !== "");
        expect(answer).toBe("web True");
      },
    );
  });
});
