import { join } from "node:path";
import { freePort } from "../../test/support/ports.ts";
import { descriptorLimit } from "./contenders.ts";
import { type Running, startServer } from "./servers.ts";

/** What the column of the hand-over mode is called. */
export const handOverName = "--pass-sockets";

/**
 * No relay: this program becomes nginx, and the bulk server, with the listening socket in hand. The figures are to be
 * those of the direct connection.
 */
export async function startHandOver(
  program: string,
  bulkProgram: string,
  folder: string,
): Promise<{ http: Running; bulk: Running }> {
  const [httpPort, bulkPort] = [freePort(), freePort()];
  const config = join(folder, "hand-over.conf");
  await Bun.write(
    config,
    // With master_process off, nginx 1.22 crashes on inherited sockets.
    `daemon off; worker_processes 1; pid ${config}.pid; error_log stderr error;
worker_rlimit_nofile ${descriptorLimit};
events { worker_connections ${descriptorLimit}; }
http {
  access_log off; keepalive_timeout 1h; keepalive_requests 1000000000; client_body_temp_path ${folder}/body2;
  server { listen 127.0.0.1:${httpPort} backlog=4096; location / { return 200 "an answer of forty bytes, all in one go.\\n"; } }
}
`,
  );
  const handOver = (port: number, server: string[], env: Record<string, string>) =>
    startServer([program, "--pass-sockets", "--listen", `127.0.0.1:${port}`, ...server], port, folder, env);
  return {
    // nginx takes listening descriptors over by a variable of its own.
    http: await handOver(httpPort, ["nginx", "-c", config], { NGINX: "3;" }),
    bulk: await handOver(bulkPort, [bulkProgram, "serve", "3"], {}),
  };
}
