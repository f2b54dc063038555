import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How a version of the server behaves that is not as it should be. */
export interface Version {
  name: string;
  /** What it does before it listens, as JavaScript. */
  first?: string;
  /** What it does once it listens. */
  afterwards?: string;
  /** Milliseconds between its listening and its first accepting, as with gunicorn, whose workers load the application meanwhile. */
  load?: number;
}

/**
 * A server in a file, whose next start runs what has been written there last. `/` answers with its version's name and process id,
 * `/slow?n=30&ms=100` with a line in each of 30 times 100 ms, `/exit?3` with its end.
 */
export class VersionedServer implements Disposable {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "versions-")));
  readonly path = join(this.folder, "server.mjs");

  constructor(version: Version) {
    this.deploy(version);
  }

  get command(): [string, ...string[]] {
    return [process.execPath, this.path];
  }

  deploy({ name, first = "", afterwards = "", load = 0 }: Version): void {
    writeFileSync(this.path, script(name, first, afterwards, load));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function script(name: string, first: string, afterwards: string, load: number): string {
  return `
import { createServer } from "node:http";
${first}
const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  response.setHeader("connection", request.headers.connection ?? "close");
  if (url.pathname === "/exit") process.exit(Number(url.search.slice(1)));
  if (url.pathname !== "/slow") return response.end(${JSON.stringify(name)} + " " + process.pid);
  let left = Number(url.searchParams.get("n"));
  const timer = setInterval(() => {
    response.write("line " + left + "\\n");
    if (--left > 0) return;
    clearInterval(timer);
    response.end(${JSON.stringify(name)});
  }, Number(url.searchParams.get("ms")));
});
server.listen(process.env.LAUNCH_PROGRAM_SOCKET_PATH, () => {
  ${load > 0 ? `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${load});` : ""}
  ${afterwards}
});
`;
}
