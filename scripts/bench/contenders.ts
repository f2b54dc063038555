import { existsSync } from "node:fs";
import { join } from "node:path";

/** Where a relay listens or connects to: the path of a Unix socket, or a port of an IPv4 address, by default 127.0.0.1. */
export type Target = { kind: "unix"; path: string } | { kind: "tcp"; port: number; host?: string };

/** What a fault is measured with, in seconds. What is left out is as in the benchmark. */
export interface Settings {
  /** Clients' connections are probed after this long and then as often, ten times. */
  keepAlive?: number;
  /** Connections on which nothing moves end after this long. */
  idle?: number;
  /** How many connections the server gets at a time, where a relay can queue the rest. */
  serverLimit?: number;
}

/** A relay to be measured, as one process with one thread for the work (socat: one process for each connection). */
export interface Contender {
  name: string;
  /** What it needs on PATH or as a file, and the Debian package that brings it. */
  needs: { command: string; package: string } | null;
  /** Writes what it needs into `folder`; returns the command that listens on `place` and relays to `target`. */
  command(
    place: Target,
    target: Target,
    folder: string,
    settings?: Settings,
  ): Promise<{ argv: string[]; env?: Record<string, string> }>;
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
    async command(place, target, _folder, { keepAlive, idle } = {}) {
      const backend = [target.kind === "unix" ? "--socket-path" : "--tcp-address", addressOf(target)];
      const given = [
        ...(keepAlive === undefined ? [] : ["--tcp-keepalive", `${keepAlive}s`]),
        ...(idle === undefined ? [] : ["--idle-timeout", `${idle}s`]),
      ];
      return { argv: [path, "--listen", addressOf(place), ...backend, ...given, "-"] };
    },
  };
}

export const nginx: Contender = {
  name: "nginx stream",
  needs: { command: "nginx", package: "nginx-light and libnginx-mod-stream" },
  async command(place, target, folder, { keepAlive, idle } = {}) {
    const path = join(folder, `nginx-${crypto.randomUUID()}.conf`);
    const module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    const [own, backend] = [place, target].map((one) => `${one.kind === "unix" ? "unix:" : ""}${addressOf(one)}`);
    const probes = keepAlive === undefined ? "" : ` so_keepalive=${keepAlive}s:${keepAlive}s:10`;
    await Bun.write(
      path,
      `${existsSync(module) ? `load_module ${module};` : ""}
daemon off; master_process off; pid ${path}.pid; error_log stderr error;
worker_rlimit_nofile ${descriptorLimit};
events { worker_connections ${descriptorLimit}; }
stream { server {
  listen ${own} backlog=4096${probes}; proxy_pass ${backend}; proxy_timeout ${idle ?? 3_600}s;
} }
`,
    );
    return { argv: ["nginx", "-c", path] };
  },
};

export const haproxy: Contender = {
  name: "HAProxy tcp",
  needs: { command: "haproxy", package: "haproxy" },
  async command(place, target, folder, { keepAlive, idle = 3_600, serverLimit } = {}) {
    const path = join(folder, `haproxy-${crypto.randomUUID()}.cfg`);
    const [own, backend] = [place, target].map((one) => `${one.kind === "unix" ? "unix@" : ""}${addressOf(one)}`);
    const probes =
      keepAlive === undefined
        ? ""
        : `
  option clitcpka
  clitcpka-idle ${keepAlive}s
  clitcpka-intvl ${keepAlive}s
  clitcpka-cnt 10`;
    await Bun.write(
      path,
      `global
  nbthread 1
  maxconn ${Math.floor(descriptorLimit / 2) - 50}
defaults
  mode tcp
  timeout connect 10s
  timeout queue 1h
  timeout client ${idle}s
  timeout server ${idle}s${probes}
listen bench
  bind ${own} backlog 4096
  server backend ${backend}${serverLimit === undefined ? "" : ` maxconn ${serverLimit}`}
`,
    );
    return { argv: ["haproxy", "-db", "-q", "-f", path] };
  },
};

const socketProxyd: Contender = {
  name: "systemd-socket-proxyd",
  needs: { command: proxyd, package: "systemd" },
  async command(place, target) {
    const activate = ["systemd-socket-activate", "-l", addressOf(place)];
    return { argv: [...activate, proxyd, `--connections-max=${descriptorLimit}`, addressOf(target)] };
  },
};

const socat: Contender = {
  name: "socat",
  needs: { command: "socat", package: "socat" },
  async command(place, target) {
    const backend = target.kind === "unix" ? `UNIX-CONNECT:${target.path}` : `TCP:${addressOf(target)},nodelay`;
    const own =
      place.kind === "unix"
        ? `UNIX-LISTEN:${place.path},fork,backlog=4096`
        : `TCP-LISTEN:${place.port},bind=${place.host ?? "127.0.0.1"},reuseaddr,fork,backlog=4096,nodelay`;
    return { argv: ["socat", own, backend] };
  },
  forks: true,
};

/** scripts/bench/proxy.go, built into `folder` by the caller. */
function go(name: string, folder: string, flags: string[]): Contender {
  return {
    name,
    needs: { command: "go", package: "golang-go" },
    async command(place, target) {
      const argv = [join(folder, "proxy"), ...flags, "-listen", addressOf(place), "-network", target.kind];
      return { argv: [...argv, "-target", addressOf(target)], env: { GOMAXPROCS: "1" } };
    },
  };
}

/** As all of them but socat write it: a path, or HOST:PORT. */
export function addressOf(place: Target): string {
  return place.kind === "unix" ? place.path : `${place.host ?? "127.0.0.1"}:${place.port}`;
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
