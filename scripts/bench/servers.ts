import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { freePort } from "../../test/support/ports.ts";
import { type Contender, descriptorLimit, type Target } from "./contenders.ts";

/** A process that listens; `port` is 0 where it does so on Unix sockets only. */
export interface Running {
  pid: number;
  port: number;
  stop(): Promise<void>;
}

const processes = new Set<Subprocess>();

/** Ends whatever still runs and removes `folder`. */
export async function cleanUp(folder: string): Promise<void> {
  await Promise.all([...processes].map(end));
  await rm(folder, { recursive: true, force: true });
}

export function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "launch_socket_server-bench-"));
}

/** Starts a contender in front of `target`; resolves when it accepts connections. */
export async function startContender(contender: Contender, target: Target, folder: string): Promise<Running> {
  const port = freePort();
  const { argv, env } = await contender.command({ kind: "tcp", port }, target, folder);
  return startServer(argv, port, folder, env);
}

/** Starts what listens on `port`; resolves when it accepts connections. */
export async function startServer(
  argv: string[],
  port: number,
  folder: string,
  env?: Record<string, string>,
): Promise<Running> {
  const log = join(folder, `${port}.log`);
  const process = spawn(argv, log, env);
  await listening({ kind: "tcp", port }, process, log);
  return { pid: process.pid, port, stop: () => end(process) };
}

/** The backends: nginx for requests and a program of ours for bulk data, each on a Unix socket and on TCP. */
export interface Backends {
  http: { unix: Target; tcp: Target & { kind: "tcp" } };
  bulk: { unix: Target; tcp: Target & { kind: "tcp" } };
  /** nginx's process id. */
  nginx: number;
}

export async function startBackends(folder: string, bulkProgram: string): Promise<Backends> {
  const [httpPort, bulkPort] = [freePort(), freePort()];
  const [httpPath, bulkPath] = [join(folder, "http.sock"), join(folder, "bulk.sock")];
  const config = join(folder, "backend.conf");
  await Bun.write(
    config,
    `daemon off; master_process off; pid ${config}.pid; error_log stderr error;
worker_rlimit_nofile ${descriptorLimit};
events { worker_connections ${descriptorLimit}; }
http {
  access_log off; keepalive_timeout 1h; keepalive_requests 1000000000; client_body_temp_path ${folder}/body;
  server {
    listen unix:${httpPath} backlog=4096;
    listen 127.0.0.1:${httpPort} backlog=4096;
    location / { return 200 "an answer of forty bytes, all in one go.\\n"; }
  }
}
`,
  );
  const http = { unix: unix(httpPath), tcp: tcp(httpPort) };
  const bulk = { unix: unix(bulkPath), tcp: tcp(bulkPort) };
  const log = join(folder, "backends.log");
  const nginx = spawn(["nginx", "-c", config], log);
  for (const target of [http.unix, http.tcp]) await listening(target, nginx, log);
  for (const target of [bulk.unix, bulk.tcp]) {
    const server = spawn([bulkProgram, "serve", target.kind === "unix" ? target.path : String(target.port)], log);
    await listening(target, server, log);
  }
  return { http, bulk, nginx: nginx.pid };
}

/** Starts a process that `cleanUp` will end, and whose complaints go to the file `log`. */
export function spawn(argv: string[], log: string, env: Record<string, string> = {}): Subprocess {
  const child = Bun.spawn(argv, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", Bun.file(log)],
    // socat starts a process for each connection: they are ended together.
    detached: true,
  });
  processes.add(child);
  return child;
}

async function end(child: Subprocess): Promise<void> {
  processes.delete(child);
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
  await child.exited;
}

const unix = (path: string): Target => ({ kind: "unix", path });
const tcp = (port: number): Target & { kind: "tcp" } => ({ kind: "tcp", port });

async function listening(target: Target, process: Subprocess, log: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await accepts(target))) {
    if (process.exitCode !== null || performance.now() > deadline) {
      throw new Error(`${JSON.stringify(target)} does not listen: ${await Bun.file(log).text()}`);
    }
    await Bun.sleep(5);
  }
}

function accepts(target: Target): Promise<boolean> {
  return new Promise((resolve) => {
    const socket =
      target.kind === "unix" ? connect({ path: target.path }) : connect({ port: target.port, host: "127.0.0.1" });
    const answer = (yes: boolean) => {
      socket.destroy();
      resolve(yes);
    };
    socket.on("connect", () => answer(true)).on("error", () => answer(false));
  });
}
