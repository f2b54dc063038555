/** Each example of share/launch_socket_server/examples with its real server, on a privileged port, as an ordinary user. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmod, cp, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { checkPlist } from "../../src/service/check/check.ts";
import { thisMachine } from "../../src/service/check/machine.ts";
import { quietHost } from "../support/launchd/fixture.ts";
import type { Job } from "../support/launchd/stand-in.ts";
import { peer } from "../support/peers.ts";
import { freePort } from "../support/ports.ts";
import { Stage } from "../support/stage.ts";

const isRoot = process.getuid?.() === 0;
const examples = resolve(import.meta.dir, "../../share/launch_socket_server/examples");
const express = await installExpress();
let stage: Stage;
let loaded: Job | null = null;
beforeAll(async () => {
  stage = await Stage.set();
});
afterAll(async () => {
  await stage[Symbol.asyncDispose]();
  if (express !== null) await rm(express, { recursive: true });
});

afterEach(async () => {
  await loaded?.unload(5000);
  loaded = null;
});

interface Staged {
  folder: string;
  job: Job;
}

/**
 * Puts an example where the user nobody can run it, with the Mac's paths, sam and the port replaced by what there is
 * here, and loads it when it has passed the checks. `quicker` is replaced behind these: nobody waits for half an hour.
 */
async function load(
  name: string,
  replacements: Record<string, string> = {},
  quicker: Record<string, string> = {},
): Promise<Staged> {
  const folder = join(stage.path(name), "hello");
  await mkdir(stage.path(name));
  await chmod(stage.path(name), 0o755);
  await cp(join(examples, name), folder, { recursive: true });
  await replaceIn(folder, {
    "/usr/local/sbin/launch_socket_server": stage.program,
    "<string>sam</string>": "<string>nobody</string>",
    "<string>127.0.0.1</string>\n\t\t\t\t<key>SockServiceName": `<string>${quietHost}</string>\n\t\t\t\t<key>SockServiceName`,
    ...replacements,
    "/Users/sam/hello": folder,
  });
  await Bun.$`chown -R nobody ${folder}`;
  const path = join(folder, `com.example.${name}.plist`);
  const bytes = await Bun.file(path).bytes();
  expect((await checkPlist({ path, bytes, stats: null, kind: "daemon" }, thisMachine)).findings).toEqual([]);
  await replaceIn(folder, quicker);
  loaded = await stage.launchd.load(path);
  return { folder, job: loaded };
}

async function replaceIn(folder: string, replacements: Record<string, string>): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = Bun.file(join(entry.parentPath, entry.name));
    const text = await file.text();
    await file.write(Object.entries(replacements).reduce((text, [from, to]) => text.replaceAll(from, to), text));
  }
}

/** The answer on the example's port; what kept a server from starting stands in the job's log. */
async function answer(job: Job): Promise<string> {
  const signal = AbortSignal.timeout(20_000);
  try {
    return await (await fetch(`http://${quietHost}/`, { keepalive: false, signal })).text();
  } catch (error) {
    throw new Error(`${error}; the job is ${job.state}; its log: ${(await job.stderr()).slice(-1000)}`);
  }
}

/** What Redis answers to one command. */
async function askRedis(port: number, command: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const client = connect({ host: quietHost, port }, () => client.write(`${command}\r\n`));
  client.setEncoding("utf8").on("data", (text) => resolve(String(text).trim()));
  client.on("error", reject).on("close", () => resolve("closed"));
  return promise.finally(() => client.destroy());
}

/** Installs Express into a folder of its own: it is no dependency of the project. Null where npm or its registry is not there. */
async function installExpress(): Promise<string | null> {
  const npm = peer("npm", "npm");
  if (npm === null || !isRoot) return null;
  const folder = await mkdtemp(join(tmpdir(), "express-"));
  const { exitCode, stderr } =
    await Bun.$`${npm} install --prefix ${folder} --ignore-scripts --no-audit --no-fund express@5`.quiet().nothrow();
  if (exitCode === 0) return folder;
  await rm(folder, { recursive: true });
  if (process.env.CI) throw new Error(`npm delivers no Express: ${stderr}`);
  return null;
}

const servers = {
  nginx: {
    command: "nginx",
    package: "nginx-light",
    mac: "/opt/homebrew/bin/nginx",
    says: "hello from nginx, 127.0.0.1\n",
  },
  apache: { command: "apache2", package: "apache2", mac: "/opt/homebrew/bin/httpd", says: "hello from Apache httpd\n" },
  puma: { command: "puma", package: "puma", mac: "/opt/homebrew/bin/puma", says: "hello from Puma\n" },
  gunicorn: {
    command: "gunicorn",
    package: "gunicorn",
    mac: "/opt/homebrew/bin/gunicorn",
    says: "hello from gunicorn, 127.0.0.1\n",
  },
};

describe.skipIf(!isRoot)("an example (as root: privileged ports)", () => {
  for (const [name, { command, package: debianPackage, mac, says }] of Object.entries(servers)) {
    const path = peer(command, debianPackage);
    test.skipIf(path === null)(`${name} (${debianPackage})`, async () => {
      const own = String(freePort());
      const { job } = await load(name, {
        [mac]: path ?? "",
        "/opt/homebrew/lib/httpd/modules": "/usr/lib/apache2/modules",
        "127.0.0.1:8080": `127.0.0.1:${own}`,
        "listen 127.0.0.1:80": `listen ${quietHost}:80`,
      });
      expect(await answer(job)).toBe(says);
    });
  }

  test("bun", async () => {
    const { job } = await load("bun", {
      "/opt/homebrew/bin/bun": await stage.bun(),
    });
    expect(await answer(job)).toBe("hello from Bun\n");
  });

  test.skipIf(express === null)("express (from npm)", async () => {
    const modules = join(stage.path("express"), "node_modules");
    const { job } = await load("express", { "/opt/homebrew/bin/node": peer("node", "nodejs") ?? "" });
    await cp(join(express ?? "", "node_modules"), modules, { recursive: true });
    expect(await answer(job)).toBe("hello from Express\n");
  });

  const redis = peer("redis-server", "redis-server");
  test.skipIf(redis === null)("redis (redis-server), which keeps what it holds over an idle time", async () => {
    const paths = { "/opt/homebrew/bin/redis-server": redis ?? "", ">6379<": ">637<" };
    const { job } = await load("redis", paths, { ">10m<": ">500ms<" });
    expect(job.starts).toBe(0);
    expect(await askRedis(637, "SET greeting hello")).toBe("+OK");
    await job.waitFor("the idle exit", () => job.exits.length === 1);
    expect(job.exits).toMatchObject([{ code: 0 }]);
    expect(await askRedis(637, "GET greeting")).toBe("$5\r\nhello");
    expect(job.starts).toBe(2);
  });

  test("model-server (a stand-in that takes its time), which starts on demand and stops when idle", async () => {
    const server = await stage.write(
      "llama-server",
      `#!/bin/sh\nsleep 0.5\nexec ${(await stage.script("plain-server.ts")).join(" ")} "$@"\n`,
      0o755,
    );
    const own = String(freePort());
    const paths = { "/opt/homebrew/bin/llama-server": server, "8081": own };
    const { job } = await load("model-server", paths, { ">30m<": ">500ms<" });
    for (const start of [1, 2]) {
      expect(job.starts).toBe(start - 1);
      expect(JSON.parse(await answer(job)).args).toContain("--model");
      await job.waitFor("the idle exit", () => job.exits.length === start);
    }
    expect(job.exits).toMatchObject([{ code: 0 }, { code: 0 }]);
  });

  test("has nothing but these", async () => {
    const names = [...Object.keys(servers), "bun", "express", "redis", "model-server"];
    expect((await readdir(examples)).sort()).toEqual(names.sort());
  });
});
