import { existsSync } from "node:fs";
import { join } from "node:path";

/** Where a relay is to connect to: the path of a Unix socket, or a port of 127.0.0.1. */
export type Target = { kind: "unix"; path: string } | { kind: "tcp"; port: number };

/** A relay to be measured, as one process with one thread for the work (socat: one process for each connection). */
export interface Contender {
  name: string;
  /** What it needs on PATH or as a file, and the Debian package that brings it. */
  needs: { command: string; package: string } | null;
  /** Writes what it needs into `folder`; returns the command that listens on `port` of 127.0.0.1 and relays to `target`. */
  command(port: number, target: Target, folder: string): Promise<{ argv: string[]; env?: Record<string, string> }>;
  /** It starts a process for each connection: many connections and CPU time are not measured. */
  forks?: true;
}

export const programName = "launch_socket_server";
export const goName = "Go io.Copy";

const proxyd = "/lib/systemd/systemd-socket-proxyd";

/** This program in the build at `path`; `name` tells builds apart. */
export function thisProgram(name: string, path: string): Contender {
  return {
    name,
    needs: { command: path, package: "" },
    async command(port, target) {
      const backend =
        target.kind === "unix" ? ["--socket-path", target.path] : ["--tcp-address", `127.0.0.1:${target.port}`];
      return { argv: [path, "--listen", `127.0.0.1:${port}`, ...backend, "-"] };
    },
  };
}

const nginx: Contender = {
  name: "nginx stream",
  needs: { command: "nginx", package: "nginx-light and libnginx-mod-stream" },
  async command(port, target, folder) {
    const path = join(folder, `nginx-${port}.conf`);
    const module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    const backend = target.kind === "unix" ? `unix:${target.path}` : `127.0.0.1:${target.port}`;
    await Bun.write(
      path,
      `${existsSync(module) ? `load_module ${module};` : ""}
daemon off; master_process off; pid ${path}.pid; error_log stderr error;
worker_rlimit_nofile ${descriptorLimit};
events { worker_connections ${descriptorLimit}; }
stream { server { listen 127.0.0.1:${port} backlog=4096; proxy_pass ${backend}; proxy_timeout 1h; } }
`,
    );
    return { argv: ["nginx", "-c", path] };
  },
};

const haproxy: Contender = {
  name: "HAProxy tcp",
  needs: { command: "haproxy", package: "haproxy" },
  async command(port, target, folder) {
    const path = join(folder, `haproxy-${port}.cfg`);
    const backend = target.kind === "unix" ? `unix@${target.path}` : `127.0.0.1:${target.port}`;
    await Bun.write(
      path,
      `global
  nbthread 1
  maxconn ${Math.floor(descriptorLimit / 2) - 50}
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:${port} backlog 4096
  server backend ${backend}
`,
    );
    return { argv: ["haproxy", "-db", "-q", "-f", path] };
  },
};

const socketProxyd: Contender = {
  name: "systemd-socket-proxyd",
  needs: { command: proxyd, package: "systemd" },
  async command(port, target) {
    const backend = target.kind === "unix" ? target.path : `127.0.0.1:${target.port}`;
    const activate = ["systemd-socket-activate", "-l", `127.0.0.1:${port}`];
    return { argv: [...activate, proxyd, `--connections-max=${descriptorLimit}`, backend] };
  },
};

const socat: Contender = {
  name: "socat",
  needs: { command: "socat", package: "socat" },
  async command(port, target) {
    const backend = target.kind === "unix" ? `UNIX-CONNECT:${target.path}` : `TCP:127.0.0.1:${target.port},nodelay`;
    return { argv: ["socat", `TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork,backlog=4096,nodelay`, backend] };
  },
  forks: true,
};

/** scripts/bench/proxy.go, built into `folder` by the caller. */
function go(name: string, folder: string, flags: string[]): Contender {
  return {
    name,
    needs: { command: "go", package: "golang-go" },
    async command(port, target) {
      const backend = target.kind === "unix" ? target.path : `127.0.0.1:${target.port}`;
      const argv = [join(folder, "proxy"), ...flags, "-listen", `127.0.0.1:${port}`, "-network", target.kind];
      return { argv: [...argv, "-target", backend], env: { GOMAXPROCS: "1" } };
    },
  };
}

/** The most connections that `contender` is tried with, up to `wanted`: a relay needs two descriptors for each. */
export function possibleConnections(wanted: number, { forks }: { forks?: true }): number {
  return Math.min(wanted, forks ? 1_000 : Number.POSITIVE_INFINITY, Math.floor((descriptorLimit - 100) / 2));
}

/** Everything that stands beside this program; Go's programs are expected in `folder`. */
export function peers(folder: string): Contender[] {
  return [nginx, haproxy, socketProxyd, socat, go(goName, folder, []), go("Go io.Copy, splice", folder, ["-splice"])];
}

/** How many descriptors a process may have here. */
export const descriptorLimit = Number(
  Bun.spawnSync(["sh", "-c", "ulimit -Hn"]).stdout.toString().trim().replace("unlimited", "65536"),
);
