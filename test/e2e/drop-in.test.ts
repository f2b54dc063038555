/** Every form of plist that the original documented, with the built program, on 127.0.0.1:80, as an unprivileged user. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir } from "node:fs/promises";
import { Command } from "../support/command.ts";
import { peer } from "../support/peers.ts";
import { freePort, untilFree } from "../support/ports.ts";
import { programUnderTest } from "../support/program-under-test.ts";
import { Stage, socket } from "../support/stage.ts";
import { temporaryUser } from "../support/users.ts";
import { waitFor } from "../support/wait.ts";

const isRoot = process.getuid?.() === 0;
const nobody = 65534;
/** Else systemd's protocol, which has no name of the plist for the program and other sentences. */
const byLaunchd = programUnderTest.activation === "launchd";
const onPort80 = { Sockets: { Socket: socket("127.0.0.1", 80) } };

interface About {
  uid: number;
  gid: number;
  pid: number;
  args: string[];
  env: Record<string, string>;
  bytes: number;
}

/** What the server behind port 80 says of itself. */
async function ask(body?: string): Promise<About> {
  const response = await fetch("http://127.0.0.1:80/", { ...(body ? { method: "POST", body } : {}), keepalive: false });
  return (await response.json()) as About;
}

describe.skipIf(!isRoot)("a plist of the original (as root: port 80)", () => {
  let stage: Stage;
  let server: [string, ...string[]];

  beforeAll(async () => {
    stage = await Stage.set();
    server = await stage.script("plain-server.ts");
  });
  beforeEach(() => untilFree(80));
  afterEach(() => stage.launchd.close());
  afterAll(() => stage[Symbol.asyncDispose]());

  test("with a generated path: an unprivileged server answers on port 80", async () => {
    const job = await stage.load({
      ...onPort80,
      UserName: "nobody",
      RunAtLoad: true,
      KeepAlive: true,
      ProgramArguments: [stage.program, ...server, "argument1", "argument 2"],
    });
    const about = await ask();
    expect(about).toMatchObject({ uid: nobody, args: ["argument1", "argument 2"], bytes: 0 });
    expect(about.pid).not.toBe(job.pid as number);
    expect(about.env.LAUNCH_DAEMON_SOCKET_NAME).toBe("Socket");
    const path = about.env.LAUNCH_PROGRAM_SOCKET_PATH ?? "";
    expect(existsSync(path)).toBe(true);
    expect(await ask("x".repeat(1_000_000))).toMatchObject({ bytes: 1_000_000 });
    expect(await job.unload()).toMatchObject({ code: 0 });
    expect(existsSync(path)).toBe(false);
    expect(await job.stderr()).toContain("serving 127.0.0.1:80");
  });

  test("with a fixed path, which is the server's own", async () => {
    const folder = stage.path("fixed");
    await mkdir(folder);
    await chown(folder, nobody, nobody);
    const path = `${folder}/myserver.sock`;
    const job = await stage.load({
      ...onPort80,
      UserName: "nobody",
      RunAtLoad: true,
      ProgramArguments: [stage.program, ...server],
      EnvironmentVariables: { LAUNCH_PROGRAM_SOCKET_PATH: path },
    });
    expect((await ask()).env.LAUNCH_PROGRAM_SOCKET_PATH).toBe(path);
    await job.unload();
    expect(existsSync(path)).toBe(true);
  });

  test("with a TCP address", async () => {
    const port = freePort();
    const job = await stage.load({
      ...onPort80,
      UserName: "nobody",
      RunAtLoad: true,
      ProgramArguments: [stage.program, ...server, String(port)],
      EnvironmentVariables: { LAUNCH_PROGRAM_TCP_ADDRESS: `127.0.0.1:${port}` },
    });
    const about = await ask();
    expect(about.uid).toBe(nobody);
    expect(about.env.LAUNCH_PROGRAM_SOCKET_PATH).toBeUndefined();
    await job.unload();
  });

  test("with - and a TCP address: no program is run", async () => {
    const backend = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("the running server") });
    const job = await stage.load({
      ...onPort80,
      UserName: "nobody",
      KeepAlive: true,
      ProgramArguments: [stage.program, "-"],
      EnvironmentVariables: { LAUNCH_PROGRAM_TCP_ADDRESS: `localhost:${backend.port}` },
    });
    expect(await (await fetch("http://127.0.0.1:80/")).text()).toBe("the running server");
    await job.unload();
    await backend.stop(true);
  });

  test("with - and a socket path", async () => {
    const path = stage.path("running.sock");
    const backend = Bun.serve({ unix: path, fetch: () => new Response("the running server") });
    await chmod(path, 0o777);
    const job = await stage.load({
      ...onPort80,
      UserName: "nobody",
      ProgramArguments: [stage.program, "-"],
      EnvironmentVariables: { LAUNCH_PROGRAM_SOCKET_PATH: path },
    });
    // Nothing runs yet: the first connection starts it.
    expect(job.starts).toBe(0);
    expect(await (await fetch("http://127.0.0.1:80/")).text()).toBe("the running server");
    expect(job.starts).toBe(1);
    await job.unload();
    await backend.stop(true);
  });

  test("with - and no target: a sentence and status 1", async () => {
    const job = await stage.load({ ...onPort80, RunAtLoad: true, ProgramArguments: [stage.program, "-"] });
    await job.waitFor("its end", () => job.exits.length > 0);
    expect(job.exits[0]).toMatchObject({ code: 1 });
    expect(await job.stderr()).toBe(
      "launch_socket_server: please set LAUNCH_PROGRAM_TCP_ADDRESS or LAUNCH_PROGRAM_SOCKET_PATH\n",
    );
    await job.unload();
  });

  test("with login_wrapper: the server has what the user's profile sets", async () => {
    await using user = await temporaryUser("/bin/bash");
    await user.write(".profile", "export FROM_PROFILE='set by the profile'\n");
    const wrapper = await stage.copy("scripts/login_wrapper");
    const job = await stage.load({
      ...onPort80,
      UserName: user.name,
      RunAtLoad: true,
      ProgramArguments: [stage.program, wrapper, ...server, "it's $HOME", ""],
    });
    const about = await ask();
    expect(about).toMatchObject({ uid: user.uid, args: ["it's $HOME", ""] });
    expect(about.env.FROM_PROFILE).toBe("set by the profile");
    await job.unload();
  });

  test.each(["Listeners", "listeners"])("whose socket is called %s, as others write it", async (name) => {
    const job = await stage.load({
      Sockets: { [name]: [socket("127.0.0.1", 80)] },
      UserName: "nobody",
      RunAtLoad: true,
      ProgramArguments: [stage.program, ...server],
    });
    expect((await ask()).env.LAUNCH_DAEMON_SOCKET_NAME).toBe(byLaunchd ? name : "Socket");
    await job.unload();
  });

  test("whose name is wrong: launchd's ENOENT becomes a sentence, and no program is started", async () => {
    const mark = stage.path("started");
    const job = await stage.load({
      ...onPort80,
      RunAtLoad: true,
      ProgramArguments: [stage.program, "/usr/bin/touch", mark],
      EnvironmentVariables: { LAUNCH_DAEMON_SOCKET_NAME: "Web" },
    });
    await job.waitFor("its end", () => job.exits.length > 0);
    expect(job.exits[0]).toMatchObject({ code: 1 });
    expect(await job.stderr()).toMatch(
      byLaunchd
        ? /^launch_socket_server: error activating launch socket: no socket named "Web" in the job's plist \(it is the key under Sockets\).*\n$/
        : /^launch_socket_server: error activating launch socket: no socket named "Web" was passed, only "Socket".*\n$/,
    );
    expect(existsSync(mark)).toBe(false);
    await job.unload();
  });

  test("outside launchd: ESRCH becomes a sentence", async () => {
    await using started = new Command([stage.program, "true"]);
    const { code, stderr } = await started.ended();
    expect(stderr).toContain(
      `error activating launch socket: this process was not started by ${byLaunchd ? "launchd" : "systemd's socket activation"}`,
    );
    expect(code).toBe(1);
  });

  test("with several addresses under one name: all are served", async () => {
    const job = await stage.load({
      Sockets: { Socket: [socket("127.0.0.1", 80), socket("127.0.0.1", 0), socket("::1", 0)] },
      UserName: "nobody",
      RunAtLoad: true,
      ProgramArguments: [stage.program, ...server],
    });
    const [, second, third] = job.sockets.get("Socket") ?? [];
    for (const host of ["127.0.0.1:80", `127.0.0.1:${port(second)}`, `[::1]:${port(third)}`]) {
      expect(((await (await fetch(`http://${host}/`)).json()) as About).uid).toBe(nobody);
    }
    await job.unload();
  });

  test("the server's own log files and restarts: a client that comes between two runs is served by the next", async () => {
    const job = await stage.load({
      ...onPort80,
      UserName: "nobody",
      KeepAlive: true,
      ProgramArguments: [stage.program, ...server],
    });
    const first = await ask();
    process.kill(first.pid, "SIGKILL");
    await job.waitFor("the end of the first run", () => job.exits.length === 1);
    expect(job.exits[0]).toMatchObject({ code: 1 });
    expect(await job.stderr()).toMatch(/program `\/.*\/bun-runtime' exited: signal: killed\n/);
    const second = await ask();
    expect(second.pid).not.toBe(first.pid);
    await job.unload();
  });

  const nginx = peer("nginx", "nginx-light");
  test.skipIf(!nginx)("with nginx on a fixed path (package nginx-light)", async () => {
    const folder = stage.path("nginx");
    await mkdir(folder);
    await chown(folder, nobody, nobody);
    const configuration = await stage.write(
      "nginx.conf",
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
       events {} http { access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
       fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
       server { listen unix:${folder}/sock; location / { return 200 "nginx as $pid\\n"; } } }`,
    );
    const job = await stage.load({
      ...onPort80,
      UserName: "nobody",
      RunAtLoad: true,
      ProgramArguments: [stage.program, nginx ?? "", "-c", configuration],
      EnvironmentVariables: { LAUNCH_PROGRAM_SOCKET_PATH: `${folder}/sock` },
    });
    const text = await (await fetch("http://127.0.0.1:80/")).text();
    const worker = Number(text.match(/\d+/)?.[0]);
    expect(await Bun.file(`/proc/${worker}/status`).text()).toMatch(/^Uid:\s+65534\s/m);
    expect(await job.unload()).toMatchObject({ code: 0 });
  });

  const redis = peer("redis-server", "redis-server");
  const redisClient = peer("redis-cli", "redis-tools");
  test.skipIf(!redis || !redisClient)("with Redis, which does not speak HTTP (package redis-server)", async () => {
    const configuration = await stage.write("redis.conf", 'port 0\nsave ""\nappendonly no\ndaemonize no\n');
    const script = await stage.write(
      "redis",
      `#!/bin/sh\nexec ${redis} ${configuration} --unixsocket "$LAUNCH_PROGRAM_SOCKET_PATH"\n`,
      0o755,
    );
    const job = await stage.load({
      ...onPort80,
      UserName: "nobody",
      WorkingDirectory: "/tmp",
      RunAtLoad: true,
      ProgramArguments: [stage.program, script],
    });
    const cli = async (...words: string[]) => (await Bun.$`${redisClient} -h 127.0.0.1 -p 80 ${words}`.text()).trim();
    const value = "x".repeat(100_000);
    expect(await cli("SET", "key", value)).toBe("OK");
    expect(await cli("GET", "key")).toBe(value);
    expect(await job.unload()).toMatchObject({ code: 0 });
  });

  test("with a WebSocket server", async () => {
    const script = await stage.script("websocket-server.ts");
    const job = await stage.load({
      ...onPort80,
      UserName: "nobody",
      RunAtLoad: true,
      ProgramArguments: [stage.program, ...script],
    });
    const websocket = new WebSocket("ws://127.0.0.1:80/");
    const received: unknown[] = [];
    websocket.onmessage = ({ data }) => received.push(data);
    websocket.onopen = () => {
      for (const text of ["one", "two", "x".repeat(200_000)]) websocket.send(text);
    };
    await waitFor("three echoes", () => received.length === 3);
    expect(received).toEqual(["one", "two", "x".repeat(200_000)]);
    websocket.close();
    await job.unload();
  });
});

function port(socket: { kind: string; port?: number } | undefined): number {
  return socket?.port ?? 0;
}
