import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { need } from "./comparison.ts";

/** What a version does that is not as it should be. */
export type Fault = "crashes" | "never serves" | "is killed";

export interface DeployedServer {
  name: string;
  /** Run by sh(1), with the folder of its files as $0. */
  command: string;
  files: (version: string, fault: Fault | null) => Record<string, string>;
}

/** `/` answers with the version, `/slow` with 30 lines in three seconds and the version. */
export const servers: DeployedServer[] = [
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

/** The files of a server, of which new versions are put there. */
export class Deployment implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "deployment-"));

  constructor(readonly server: DeployedServer) {
    mkdirSync(join(this.folder, "tmp"));
    this.deploy("v0");
  }

  /** What the program under test runs. */
  get program(): string[] {
    return ["/bin/sh", "-c", this.server.command, this.folder];
  }

  /** Python would take what it has compiled in the same second for the new version's. */
  get env(): Record<string, string> {
    return { TMPDIR: join(this.folder, "tmp"), PYTHONDONTWRITEBYTECODE: "1" };
  }

  deploy(version: string, fault: Fault | null = null): void {
    for (const [file, text] of Object.entries(this.server.files(version, fault))) {
      writeFileSync(join(this.folder, file), text);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
