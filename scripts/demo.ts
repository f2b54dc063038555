/**
 * `make demo`: the built program's main job, on a machine with no launchd and no root.
 *
 *   bun scripts/demo.ts [--keep]
 */
const keep = process.argv.includes("--keep");
const program = "sbin/launch_socket_server";
const firstPort = 8080;

const port = findFreePort(firstPort);
const address = `127.0.0.1:${port}`;
const say = (text: string) => console.log(text);

say("");
if (port !== firstPort) say(`Port ${firstPort} is taken here, so this uses the next free one, ${port}.`);
say(`1. launch_socket_server listens on ${address} and starts a small HTTP server.`);
say("   (On a Mac launchd would listen, on port 80 say, and start launch_socket_server.)");
const daemon = Bun.spawn([program, "--listen", address, process.execPath, "scripts/demo-server.ts"], {
  stdout: "inherit",
  stderr: "pipe",
  stdin: "ignore",
});
const serving = showLog(daemon.stderr, "serving");
const stop = async () => {
  daemon.kill("SIGTERM");
  return daemon.exited;
};
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, stop);

try {
  // Only for the port: a client that comes before the server is ready is kept until it is.
  await serving;
  const response = await fetch(`http://${address}/`, { signal: AbortSignal.timeout(30_000) });
  const answer = (await response.text()).trim();
  say("2. The server listens on a Unix socket in a private folder; it never needs a port or root.");
  say(`3. A request to http://${address}/ was relayed to it, and it answered:`);
  say(`     ${answer}`);
} catch (error) {
  await stop();
  console.error(`launch_socket_server: the demo's request to http://${address}/ failed: ${(error as Error).message}`);
  process.exit(1);
}

if (keep) {
  say(`4. Open http://${address}/ in a browser. Ctrl-C ends it.`);
  await daemon.exited;
} else {
  const status = await stop();
  say(`4. After SIGTERM both ended with exit status ${status}, and nothing is left behind.`);
  say("   `make demo KEEP=1` leaves them running for a browser. README.md says more.");
  process.exit(status);
}

/** Shows the program's log, indented; resolves at the first line that has `word`, or at the log's end. */
async function showLog(log: ReadableStream<Uint8Array>, word: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of log) {
      const text = decoder.decode(chunk);
      say(text.trimEnd().replace(/^/gm, "     "));
      if (text.includes(word)) resolve();
    }
    resolve();
  };
  read();
  return promise;
}

function findFreePort(from: number): number {
  for (let port = from; port < from + 100; port++) {
    try {
      Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop();
      return port;
    } catch {
      // Taken.
    }
  }
  console.error(
    `launch_socket_server: cannot show the demo: no port from ${from} to ${from + 99} is free; end what uses them`,
  );
  process.exit(1);
}
