import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./support/program.ts";

const listen = ["--listen", "127.0.0.1:0"];

function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "launcher-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

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
});
