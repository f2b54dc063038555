/**
 * A server that tells about itself in JSON: on the socket path that it finds in its environment, or on the TCP port that
 * is its first argument.
 */
import { rmSync } from "node:fs";
import { createServer } from "node:http";

const [port] = process.argv.slice(2).filter((arg) => /^\d+$/.test(arg));
const path = process.env.LAUNCH_PROGRAM_SOCKET_PATH;

const server = createServer((request, response) => {
  let bytes = 0;
  request.on("data", (chunk) => {
    bytes += chunk.length;
  });
  request.on("end", () => {
    const { pid, env } = process;
    const about = { uid: process.getuid?.(), gid: process.getgid?.(), pid, args: process.argv.slice(2), env, bytes };
    response.end(JSON.stringify(about));
  });
});
if (port !== undefined) server.listen(Number(port), "127.0.0.1");
else if (path !== undefined) {
  rmSync(path, { force: true });
  server.listen(path);
}
process.on("SIGTERM", () => process.exit(0));
