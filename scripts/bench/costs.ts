import { join } from "node:path";
import { freePort } from "../../test/support/ports.ts";
import type { Contender, Target } from "./contenders.ts";
import type { Load } from "./measures.ts";
import { memory, wakeUps } from "./process.ts";
import { startContender } from "./servers.ts";

/** Resident and private bytes of one contender: idle, holding idle connections, under load. */
export interface MemoryFigures {
  idle: Memory;
  connections: { count: number; memory: Memory }[];
  load: Memory;
}
export type Memory = { resident: number; private: number };

/**
 * A fresh instance for each figure, since memory that was once used is not always given back. A number of connections that
 * the contender does not take is left out.
 */
export async function measureMemory(
  contender: Contender,
  target: Target,
  folder: string,
  load: Load,
  counts: readonly number[],
): Promise<MemoryFigures> {
  const connections = [];
  const idle = await withInstance(contender, target, folder, async ({ pid }) => memory(pid));
  for (const count of counts) {
    const held = await withInstance(contender, target, folder, async ({ pid, port }) => {
      const holder = Bun.spawn([join(load.tools, "load"), "idle", String(port), String(count)], {
        stdio: ["pipe", "pipe", "ignore"],
        timeout: 120_000,
      });
      const { value } = await holder.stdout.getReader().read();
      const figure = value === undefined ? null : memory(pid);
      holder.stdin.end();
      await holder.exited;
      return figure;
    });
    if (held !== null) connections.push({ count, memory: held });
  }
  const underLoad = await withInstance(contender, target, folder, async ({ pid, port }) => {
    const requests = load.requests(port, 256);
    await Bun.sleep(load.duration * 0.8);
    const figure = memory(pid);
    await requests;
    return figure;
  });
  return { idle, connections, load: underLoad };
}

/** Requests a second and private bytes as connections grow, each in a fresh instance. */
export async function measureGrowth(
  contender: Contender,
  target: Target,
  folder: string,
  load: Load,
  count: number,
): Promise<{ rate: number; private: number }> {
  return withInstance(contender, target, folder, async ({ pid, port }) => {
    await load.requests(port, Math.min(count, 32));
    const requests = load.requests(port, count);
    await Bun.sleep(load.duration * 0.9);
    const bytes = memory(pid).private;
    return { rate: await requests, private: bytes };
  });
}

/**
 * Milliseconds from a client's connect to its first byte, when that connect is what starts the contender by
 * systemd's socket activation; the backend runs already.
 */
export async function measureActivation(argv: string[]): Promise<number> {
  const port = freePort();
  const process = Bun.spawn(["systemd-socket-activate", "-l", `127.0.0.1:${port}`, ...argv], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    // It says so when it listens; a connection before would be refused.
    await process.stderr.getReader().read();
    return await firstByte(port);
  } finally {
    process.kill("SIGKILL");
    await process.exited;
  }
}

/** Milliseconds from starting a contender that binds directly to the first byte that a client gets through it. */
export async function measureStart(contender: Contender, target: Target, folder: string): Promise<number> {
  const port = freePort();
  const { argv, env } = await contender.command({ kind: "tcp", port }, target, folder);
  const start = performance.now();
  const child = Bun.spawn(argv, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
  });
  try {
    while (performance.now() - start < 10_000) {
      if ((await firstByte(port)) >= 0) return performance.now() - start;
      await Bun.sleep(1);
    }
    throw new Error(`${contender.name} does not answer`);
  } finally {
    process.kill(-child.pid, "SIGKILL");
    await child.exited;
  }
}

/** Wake-ups a minute, counted for `count` milliseconds after `wait` idle ones; all at the same time. */
export async function measureWakeUps(pids: number[], wait: number, count: number): Promise<number[]> {
  await Bun.sleep(wait);
  const before = pids.map(wakeUps);
  await Bun.sleep(count);
  return pids.map((pid, index) => ((wakeUps(pid) - (before[index] ?? 0)) * 60_000) / count);
}

/** Milliseconds from the connect to the first byte of an answer; -1 when nobody listens. */
function firstByte(port: number): Promise<number> {
  const start = performance.now();
  return new Promise((resolve) => {
    Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => void socket.write("GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"),
        data: (socket) => {
          resolve(performance.now() - start);
          socket.end();
        },
        close: () => resolve(-1),
        connectError: () => resolve(-1),
      },
    }).catch(() => resolve(-1));
  });
}

async function withInstance<T>(
  contender: Contender,
  target: Target,
  folder: string,
  work: (running: { pid: number; port: number }) => Promise<T>,
): Promise<T> {
  const running = await startContender(contender, target, folder);
  try {
    return await work(running);
  } finally {
    await running.stop();
  }
}
