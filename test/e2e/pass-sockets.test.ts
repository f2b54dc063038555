/** `--pass-sockets`: the process becomes the program, through the launchd stand-in and with servers that we did not write. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { peer } from "../support/peers.ts";
import { programUnderTest } from "../support/program-under-test.ts";
import { Stage, socket } from "../support/stage.ts";
import { temporaryUser } from "../support/users.ts";
import { waitFor } from "../support/wait.ts";

const free = socket("127.0.0.1", 0);

describe("--pass-sockets", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.set();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  /** A job that becomes `command`. */
  const become = (command: string[], keys: Parameters<Stage["load"]>[0] = {}) =>
    stage.load({
      Sockets: { Socket: free },
      RunAtLoad: true,
      ProgramArguments: [stage.program, "--pass-sockets", ...command],
      ...keys,
    });

  const fetchText = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`, { keepalive: false })).text();

  const node = peer("node", "nodejs");
  test.skipIf(!node)("the program has the job's pid and its sockets at 3 and up (package nodejs)", async () => {
    const script = [node ?? "", await stage.copy("test/support/descriptor-server.mjs")];
    const job = await become(script, {
      Sockets: { Web: free, Admin: [free, free] },
      ProgramArguments: [stage.program, "--socket-name", "Web", "--socket-name", "Admin", "--pass-sockets", ...script],
    });
    const { pid, env } = JSON.parse(await fetchText(job.port("Web")));
    expect(pid).toBe(job.pid as number);
    expect(env).toMatchObject({ LISTEN_FDS: "3", LISTEN_PID: String(pid), LISTEN_FDNAMES: "Web:Admin:Admin" });
    expect(env.LAUNCH_PROGRAM_SOCKET_PATH).toBeUndefined();
    expect(readlinkSync(`/proc/${pid}/exe`)).not.toBe(stage.program);
    await job.unload();
  });

  test("a fresh process: descriptors, signals, limit on open files and blocking mode", async () => {
    const out = stage.path("fresh");
    const script = await stage.write(
      "fresh.sh",
      `#!/bin/sh\n{ ls /proc/self/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; ulimit -Sn; cat /proc/self/fdinfo/3; } > ${out}.new 2>&1 3<&3\nmv ${out}.new ${out}\nexec sleep 60 3<&3\n`,
      0o755,
    );
    const job = await become([script], { HardResourceLimits: { NumberOfFiles: 20_000 } });
    await waitFor("the script's report", () => existsSync(out));
    const report = readFileSync(out, "utf8");
    // ls itself has 3 open for the folder, were it not that 3 is the socket.
    expect(report).toMatch(/^0\n1\n2\n3\n4\nSigBlk:\s0{16}\nSigIgn:\s\w{16}\n10240\n/);
    // The C library's own signals, from 32 on, are nobody's to set and come from whoever started the tests.
    expect(Number.parseInt(report.match(/SigIgn:\s(\w+)/)?.[1] ?? "", 16) % 2 ** 31).toBe(0);
    // O_NONBLOCK is 04000 (fcntl(2)); the stand-in listens on blocking sockets, as launchd does.
    expect(Number.parseInt(report.match(/flags:\s*(\d+)/)?.[1] ?? "", 8) & 0o4000).toBe(0);
    // The shell's own descriptors are there until it has become sleep, and those of sleep's libraries until it sleeps.
    const state = () =>
      `${readFileSync(`/proc/${job.pid}/comm`, "utf8").trim()} ${readdirSync(`/proc/${job.pid}/fd`).sort()}`;
    await waitFor(state, () => state() === "sleep 0,1,2,3");
    await job.unload();
  });

  test("an environment that is not UTF-8 stays as it is", async () => {
    const out = stage.path("environment");
    const script = await stage.write(
      "env.sh",
      `#!/bin/sh\nprintf %s "$ODD" > ${out}.new; mv ${out}.new ${out}; exec sleep 60`,
      0o755,
    );
    const odd = await stage.write(
      "odd.sh",
      `#!/bin/sh\nODD=$(printf 'a\\377b') exec ${stage.program} --pass-sockets ${script}\n`,
      0o755,
    );
    const job = await stage.load({ Sockets: { Socket: free }, RunAtLoad: true, ProgramArguments: [odd] });
    await waitFor("the script's report", () => existsSync(out));
    expect([...readFileSync(out)]).toEqual([0x61, 0xff, 0x62]);
    await job.unload();
  });

  test("a program that is missing, not executable or no program is a sentence and status 1", async () => {
    const noProgram = await stage.write("no-program", "x", 0o755);
    const notExecutable = await stage.write("not-executable", "x");
    for (const [program, why] of [
      ["nonesuch-program", "it is not in PATH"],
      [notExecutable, "permission denied"],
      [noProgram, "it is not a program"],
    ] as const) {
      const job = await become([program]);
      await job.waitFor("its end", () => job.exits.length > 0);
      expect(job.exits[0]).toMatchObject({ code: 1 });
      const log = await job.stderr();
      expect(log).toMatch(/^launch_socket_server: cannot start program `[^\n]*\n$/);
      expect(log).toContain(why);
      await job.unload();
    }
  });

  // Through LISTEN_FDNAMES, by which a program for Linux that TEST_PROGRAM names gets them (stage.ts), this one cannot be told.
  test.skipIf(programUnderTest.activation === "systemd")(
    "a name with a colon cannot be told and is refused",
    async () => {
      const job = await become(["true"], {
        Sockets: { "a:b": free },
        ProgramArguments: [stage.program, "--socket-name", "a:b", "--pass-sockets", "true"],
      });
      await job.waitFor("its end", () => job.exits.length > 0);
      expect(await job.stderr()).toMatch(/^launch_socket_server: cannot pass the socket "a:b"/);
      await job.unload();
    },
  );

  const python = peer("python3", "python3");
  test.skipIf(!python)("datagram sockets are passed too (package python3)", async () => {
    const script = await stage.copy("test/support/datagram-server.py");
    const job = await become([python ?? "", script], { Sockets: { Socket: { ...free, SockType: "dgram" } } });
    const client = createSocket("udp4");
    let answer = "";
    client.on("message", (message) => {
      answer = message.toString();
    });
    await waitFor("the echo", () => {
      client.send("hello", job.port("Socket"), "127.0.0.1");
      return answer !== "";
    });
    expect(answer).toBe("hello back");
    client.close();
    await job.unload();
  });

  test.skipIf(process.getuid?.() !== 0 || !node)("through login_wrapper (as root: other users)", async () => {
    await using user = await temporaryUser("/bin/bash");
    const wrapper = await stage.copy("scripts/login_wrapper");
    const script = await stage.copy("test/support/descriptor-server.mjs");
    const job = await become([wrapper, node ?? "", script], { UserName: user.name });
    const { pid, uid } = JSON.parse(await fetchText(job.port()));
    expect({ pid, uid }).toEqual({ pid: job.pid, uid: user.uid });
    await job.unload();
  });

  const tcsh = peer("tcsh", "tcsh");
  test.skipIf(process.getuid?.() !== 0 || !tcsh)(
    "through login_wrapper and tcsh is refused (package tcsh)",
    async () => {
      await using user = await temporaryUser(tcsh ?? "");
      const wrapper = await stage.copy("scripts/login_wrapper");
      const job = await become([wrapper, "true"], { UserName: user.name });
      await job.waitFor("its end", () => job.exits.length > 0);
      expect(job.exits[0]).toMatchObject({ code: 1 });
      expect(await job.stderr()).toMatch(/^login_wrapper: .*tcsh.*\n$/);
      await job.unload();
    },
  );

  const gunicorn = peer("gunicorn", "gunicorn");
  test.skipIf(!gunicorn)("gunicorn finds the sockets by LISTEN_FDS (package gunicorn)", async () => {
    await stage.write(
      "app.py",
      "def application(environ, start):\n    start('200 OK', [('Content-Type', 'text/plain')])\n    return [b'gunicorn']\n",
    );
    const job = await become([gunicorn ?? "", "--chdir", stage.folder, "app:application"]);
    expect(await fetchText(job.port())).toBe("gunicorn");
    await job.unload();
  });

  const uvicorn = peer("uvicorn", "uvicorn");
  test.skipIf(!uvicorn)("uvicorn takes descriptor 3 (package uvicorn)", async () => {
    await stage.write(
      "asgi.py",
      `async def app(scope, receive, send):
    if scope["type"] != "http": return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"uvicorn"})
`,
    );
    const job = await become([uvicorn ?? "", "--app-dir", stage.folder, "--fd", "3", "asgi:app"]);
    expect(await fetchText(job.port())).toBe("uvicorn");
    await job.unload();
  });

  const haproxy = peer("haproxy", "haproxy");
  test.skipIf(!haproxy)("HAProxy binds fd@3 (package haproxy)", async () => {
    const configuration = await stage.write(
      "haproxy.cfg",
      `global
  maxconn 100
defaults
  mode http
  timeout client 10s
  timeout connect 10s
  timeout server 10s
frontend web
  bind fd@3
  http-request return status 200 content-type text/plain string "haproxy"
`,
    );
    const job = await become([haproxy ?? "", "-db", "-f", configuration]);
    expect(await fetchText(job.port())).toBe("haproxy");
    await job.unload();
  });

  const proxyd = existsSync("/lib/systemd/systemd-socket-proxyd") ? "/lib/systemd/systemd-socket-proxyd" : null;
  test.skipIf(!proxyd && !process.env.CI)(
    "systemd-socket-proxyd finds the sockets by sd_listen_fds (package systemd)",
    async () => {
      const backend = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("behind proxyd") });
      const job = await become([proxyd ?? "", `127.0.0.1:${backend.port}`]);
      expect(await fetchText(job.port())).toBe("behind proxyd");
      await job.unload();
      await backend.stop(true);
    },
  );

  const nginx = peer("nginx", "nginx-light");
  test.skipIf(!nginx)("nginx inherits descriptor 3 by its own variable NGINX (package nginx-light)", async () => {
    const configuration = (
      port: number,
    ) => `daemon off; pid ${stage.path("nginx.pid")}; error_log ${stage.path("nginx.log")};
       events {} http { access_log off; client_body_temp_path ${stage.path("b")}; proxy_temp_path ${stage.path("p")};
       fastcgi_temp_path ${stage.path("f")}; uwsgi_temp_path ${stage.path("u")}; scgi_temp_path ${stage.path("s")};
       server { listen 127.0.0.1:${port}; location / { return 200 "nginx $pid"; } } }`;
    const file = stage.path("nginx.conf");
    const job = await become([nginx ?? "", "-c", file], {
      RunAtLoad: false,
      EnvironmentVariables: { NGINX: "3;" },
    });
    await stage.write("nginx.conf", configuration(job.port()));
    // Only a nginx that took descriptor 3 over can serve this address: launchd's stand-in has bound it.
    const worker = (await fetchText(job.port())).replace("nginx ", "");
    expect(readFileSync(`/proc/${worker}/status`, "utf8")).toContain(`PPid:\t${job.pid}\n`);
    await job.unload();
  });
});
