/**
 * A stand-in for a model server, in the place of llama.cpp's llama-server and of Ollama, which are in neither Debian nor npm. It knows
 * no model: it fills memory, takes its time and answers with its own pid. What it plays:
 * - llama-server (tools/server/README.md of ggml-org/llama.cpp): `--host` is an address or a path that ends in .sock; it listens before
 *   the model is loaded and answers 503 "Loading model" until then; GET /health says which; a connection that is idle for 5 s is closed
 *   (CPPHTTPLIB_KEEPALIVE_TIMEOUT_SECOND in the cpp-httplib that it is made with).
 * - ollama serve (envconfig/config.go and server/routes.go of ollama/ollama): OLLAMA_HOST is the address; the request that needs a model
 *   waits for it; idle connections are kept for ever, since its http.Server has no IdleTimeout; SIGTERM ends it at once.
 *
 * Environment: STAND_IN_MEGABYTES, STAND_IN_LOADS_FOR and STAND_IN_THINKS_FOR (milliseconds); `?think=MS` in a request wins.
 */
import { rmSync } from "node:fs";
import { createServer } from "node:http";

const { env, argv, pid } = process;
const option = (name: string) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : undefined);
const isOllama = argv.includes("serve");
const loadsFor = Number(env.STAND_IN_LOADS_FOR ?? 0);

// Random bytes are in nobody else's memory.
const model: Uint8Array[] = [];
for (let megabyte = 0; megabyte < Number(env.STAND_IN_MEGABYTES ?? 0); megabyte++) {
  model.push(crypto.getRandomValues(new Uint8Array(65_536)), new Uint8Array(1_048_576 - 65_536).fill(megabyte));
}
const loaded = Bun.sleep(loadsFor);
let isLoaded = false;
loaded.then(() => {
  isLoaded = true;
});

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost");
  request.resume();
  if (isOllama) await loaded;
  else if (!isLoaded) {
    response.writeHead(503, { "content-type": "application/json" });
    response.end('{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}');
    return;
  }
  if (url.pathname === "/health") {
    response.end('{"status":"ok"}');
    return;
  }
  await Bun.sleep(Number(url.searchParams.get("think") ?? env.STAND_IN_THINKS_FOR ?? 0));
  response.end(JSON.stringify({ pid, megabytes: model.length / 2, args: argv.slice(2) }));
});
server.keepAliveTimeout = isOllama ? 0 : 5_000;

const [, host, port] = env.OLLAMA_HOST?.match(/^(.*):(\d+)$/) ?? [];
const address = isOllama ? host : (option("--host") ?? "127.0.0.1");
if (address?.endsWith(".sock")) {
  rmSync(address, { force: true });
  server.listen(address);
} else server.listen(Number(isOllama ? port : (option("--port") ?? 8080)), address);
process.on("SIGTERM", () => process.exit(0));
