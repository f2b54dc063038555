/** `--reload` of servers that know nothing of it, under clients that repeat nothing. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ProgramUnderTest, run, serve } from "../support/program-under-test.ts";
import { Crowd, request } from "../support/requests.ts";
import { waitFor } from "../support/wait.ts";
import { need } from "./comparison.ts";

/** What a version does that is not as it should be. */
type Fault = "crashes" | "never serves" | "is killed";

interface Server {
  name: string;
  /** Run by sh(1), with the folder of its files as $0. */
  command: string;
  files: (version: string, fault: Fault | null) => Record<string, string>;
}

/** `/` answers with the version, `/slow` with 30 lines in three seconds and the version. */
const servers: Server[] = [
  {
    name: "Node",
    command: `exec ${need("node", "nodejs")} "$0/server.mjs"`,
    files: (version, fault) => ({
      "server.mjs": `import { createServer } from "node:http";
        ${fault === "crashes" ? "throw new Error('no database');" : ""}
        ${fault === "never serves" ? "await new Promise(() => setInterval(() => {}, 1000));" : ""}
        createServer((request, response) => {
          response.setHeader("connection", "close");
          if (request.url === "/") return response.end("${version} ");
          let left = 30;
          const timer = setInterval(() => {
            response.write("line\\n");
            if (--left === 0) response.end("${version}", () => clearInterval(timer));
          }, 100);
        }).listen(process.env.LAUNCH_PROGRAM_SOCKET_PATH, () => {
          ${fault === "is killed" ? "setTimeout(() => process.kill(process.pid, 'SIGKILL'), 20);" : ""}
        });`,
    }),
  },
  {
    name: "gunicorn",
    command: `exec ${need("gunicorn", "gunicorn")} --config "$0/gunicorn.conf.py" --chdir "$0" --bind "unix:$LAUNCH_PROGRAM_SOCKET_PATH" --workers 2 --threads 8 app:app`,
    files: (version, fault) => ({
      "app.py": `import time
${fault === "crashes" ? "raise RuntimeError('no database')" : ""}
${fault === "never serves" ? "time.sleep(20)" : ""}
def slow():
    for _ in range(30):
        yield b"line\\n"
        time.sleep(0.1)
    yield b"${version}"
def app(environ, start_response):
    body = [b"${version} "] if environ["PATH_INFO"] == "/" else slow()
    headers = [("Content-Type", "text/plain")]
    if isinstance(body, list): headers.append(("Content-Length", str(len(body[0]))))
    start_response("200 OK", headers)
    return body
`,
      // Of the process that listens, before it has workers.
      "gunicorn.conf.py": fault === "is killed" ? "import os\ndef when_ready(server): os.kill(os.getpid(), 9)\n" : "",
    }),
  },
  {
    name: "Puma",
    command: `exec ${need("puma", "puma")} --quiet --environment production --threads 16:16 --bind "unix://$LAUNCH_PROGRAM_SOCKET_PATH" "$0/config.ru"`,
    files: (version, fault) => ({
      "config.ru": `${fault === "crashes" ? "raise 'no database'" : ""}
${fault === "never serves" ? "sleep 1000" : ""}
${fault === "is killed" ? "Thread.new { sleep 0.05; Process.kill(:KILL, Process.pid) }" : ""}
class Slow
  def each
    30.times { yield "line\\n"; sleep 0.1 }
    yield "${version}"
  end
end
run ->(env) { [200, { "content-type" => "text/plain" }, env["PATH_INFO"] == "/" ? ["${version} "] : Slow.new] }
`,
    }),
  },
];

async function reload({ pid }: ProgramUnderTest) {
  const { code, stdout, stderr } = await run(["--reload", String(pid)]);
  return { code, said: stdout + stderr };
}

test.each(servers)(
  "$name: 5,000 requests around 20 reloads",
  async ({ name, command, files }) => {
    const folder = mkdtempSync(join(tmpdir(), "reload-"));
    const deploy = (version: string, fault: Fault | null = null) => {
      for (const [file, text] of Object.entries(files(version, fault))) writeFileSync(join(folder, file), text);
    };
    try {
      deploy("v0");
      mkdirSync(join(folder, "tmp"));
      await using daemon = await serve({
        program: ["/bin/sh", "-c", command, folder],
        options: ["--connect-timeout", "10s", "--stop-timeout", "2s"],
        env: { TMPDIR: join(folder, "tmp"), PYTHONDONTWRITEBYTECODE: "1" },
      });
      expect(await request(daemon.address)).toStartWith("v0");
      const crowd = new Crowd(daemon.address, 20, 100);
      const transfers: Promise<string>[] = [];
      const faults: Record<number, Fault> = { 6: "crashes", 7: "never serves", 8: "is killed" };
      for (let round = 1; round <= 20; round++) {
        transfers.push(request(daemon.address, "/slow").catch((error) => String(error)));
        const fault = faults[round] ?? null;
        deploy(`v${round}`, fault);
        const before = crowd.answered;
        // What a transfer waits for is not what the next reload waits for.
        const { code, said } = await reload(daemon);
        expect({ round, code, said }).toEqual({ round, code: fault === null ? 0 : 1, said: expect.any(String) });
        await waitFor("some answers", () => crowd.answered > before + 20);
      }
      await crowd.over(5_000);
      console.log(`${name}: ${crowd.answered} requests, the longest took ${crowd.longest.toFixed(0)} ms`);
      expect(crowd.failures).toEqual([]);
      const versions = Array.from({ length: 21 }, (_, index) => `v${index}`).filter((_, index) => !(index in faults));
      expect([...crowd.answers.keys()]).toEqual(versions);
      for (const transfer of await Promise.all(transfers)) expect(transfer.match(/line/g)).toHaveLength(30);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  300_000,
);
