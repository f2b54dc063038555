/** A Unix path of `--listen`, and what a process that was killed has left of it. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { alive } from "../support/processes.ts";
import { type ProgramUnderTest, start } from "../support/program-under-test.ts";
import { randomNumbers } from "../support/seed.ts";
import { freeTarget } from "../support/targets.ts";
import { waitFor } from "../support/wait.ts";

/** A backend that says "hello", and a folder for paths. */
function stage() {
  const target = freeTarget("unix");
  const server = Bun.listen({
    unix: target.name,
    socket: { open: (socket) => void socket.end("hello"), data() {} },
  });
  const folder = mkdtempSync(join(tmpdir(), "listen-path."));
  const begin = (path: string, ...more: string[]) => start(["--listen", path, ...target.options, ...more, "-"]);
  return {
    folder,
    begin,
    /** Starts the program on the path and waits until it serves. */
    async serve(path: string): Promise<ProgramUnderTest> {
      const daemon = begin(path);
      await daemon.serves();
      return daemon;
    },
    [Symbol.dispose]() {
      server.stop(true);
      target[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

/** What a client of the path gets. */
async function answer(path: string): Promise<string> {
  let received = "";
  await new Promise<void>((resolve, reject) => {
    Bun.connect({
      unix: path,
      socket: {
        data: (_, chunk) => {
          received += chunk;
        },
        close: () => resolve(),
      },
    }).catch(reject);
  });
  return received;
}

test("a hundred times killed and started again, it serves", async () => {
  using place = stage();
  const rounds = async (path: string) => {
    let killed: ProgramUnderTest | null = null;
    for (let round = 0; round < 10; round++) {
      await killed?.[Symbol.asyncDispose]();
      const daemon = await place.serve(path);
      expect(daemon.address).toEqual({ kind: "unix", path });
      expect(await answer(path)).toBe("hello");
      daemon.signal("SIGKILL");
      await daemon.exited;
      killed = daemon;
    }
    await using last = await place.serve(path);
    last.signal("SIGTERM");
    expect((await last.ended()).code).toBe(0);
  };
  await Promise.all(Array.from({ length: 10 }, (_, index) => rounds(join(place.folder, `socket-${index}`))));
  expect(readdirSync(place.folder)).toEqual([]);
});

test("it serves after it was killed at any moment of a start", async () => {
  using place = stage();
  const { below } = randomNumbers();
  const path = join(place.folder, "socket");
  for (let round = 0; round < 20; round++) {
    await using daemon = place.begin(path);
    // A start takes some 30 ms until the lock is taken, and 800 more for the connections that are refused.
    await Bun.sleep(below(2) === 0 ? below(100) : below(1_000));
    daemon.signal("SIGKILL");
    await daemon.exited;
  }
  await using last = await place.serve(path);
  expect(await answer(path)).toBe("hello");
  last.signal("SIGTERM");
  expect((await last.ended()).code).toBe(0);
});

test("of several that are started at once on what was left, one serves and the others say a sentence", async () => {
  using place = stage();
  const path = join(place.folder, "socket");
  for (let round = 0; round < 5; round++) {
    await using killed = await place.serve(path);
    killed.signal("SIGKILL");
    await killed.exited;
    const daemons = Array.from({ length: 4 }, () => place.begin(path));
    try {
      await waitFor("all but one to end", () => daemons.filter(({ pid }) => alive(pid)).length === 1);
      const winner = daemons.find(({ pid }) => alive(pid)) as ProgramUnderTest;
      await winner.serves();
      expect(await answer(path)).toBe("hello");
      for (const daemon of daemons) {
        if (daemon === winner) continue;
        const { code, stderr } = await daemon.ended();
        expect(code).toBe(1);
        expect(stderr).toBe(
          `launch_socket_server: error activating launch socket: cannot listen on ${path}: a launch_socket_server listens there already; end it or choose another path\n`,
        );
      }
      winner.signal("SIGTERM");
      await winner.ended();
      expect(readdirSync(place.folder)).toEqual([]);
    } finally {
      for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
    }
  }
});

test("a program that outlives its killed launch_socket_server holds no lock", async () => {
  using place = stage();
  const path = join(place.folder, "socket");
  await using killed = start(["--listen", path, "sleep", "60"]);
  await killed.serves();
  killed.signal("SIGKILL");
  await killed.exited;
  await using daemon = await place.serve(path);
  expect(await answer(path)).toBe("hello");
  rmSync(dirname(killed.target.kind === "unix" ? killed.target.path : ""), { recursive: true });
  expect(daemon.stderr).toContain(`replacing ${path}, on which nobody listens any more`);
});

test("with --pass-sockets the program holds the lock, and the path is free once it has ended", async () => {
  using place = stage();
  const path = join(place.folder, "socket");
  // A server that neither accepts nor ends, with the socket at 3.
  await using program = start(["--listen", path, "--pass-sockets", "sh", "-c", "echo $LISTEN_FDS; exec sleep 60"]);
  await program.printed(/^1\n/);
  await using refused = place.begin(path);
  expect((await refused.ended()).stderr).toContain("a launch_socket_server listens there already");
  program.signal("SIGKILL");
  await program.exited;
  await using _daemon = await place.serve(path);
  expect(await answer(path)).toBe("hello");
});
