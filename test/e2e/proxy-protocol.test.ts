/** `--proxy-protocol` with servers that we did not write, each of which answers with the client's address. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { peer } from "../support/peers.ts";
import { freePort } from "../support/ports.ts";
import { Stage, socket } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const free = socket("127.0.0.1", 0);

describe("--proxy-protocol", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.set();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  /** Sends `request` from a port of its own; returns that address and all that came back. */
  async function exchange(host: string, port: number, request: string): Promise<{ from: string; answer: string }> {
    let answer = "";
    const client = connect({ host, port, allowHalfOpen: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    client.setEncoding("latin1").on("data", (text) => {
      answer += text;
    });
    client.on("error", reject).on("end", () => resolve());
    client.on("connect", () => client.end(request));
    await waitFor("the connection", () => client.localPort !== undefined);
    const from = `${client.localAddress} ${client.localPort}`;
    await promise;
    client.destroy();
    return { from, answer };
  }

  const get = "GET / HTTP/1.0\r\n\r\n";
  const nginx = peer("nginx", "nginx-light");
  const haproxy = peer("haproxy", "haproxy");
  const apache = peer("apache2", "apache2");

  for (const version of ["v1", "v2"]) {
    for (const host of ["127.0.0.1", "::1"]) {
      test.skipIf(!nginx)(`${version} over ${host} reaches nginx on a Unix socket (package nginx-light)`, async () => {
        const folder = stage.path(`nginx-${version}-${host.length}`);
        const configuration = await stage.write(
          `${version}-${host.length}.conf`,
          `daemon off; worker_processes 1; pid ${folder}.pid; error_log ${folder}.log;
           events {} http { access_log off; client_body_temp_path ${folder}b; proxy_temp_path ${folder}p;
           fastcgi_temp_path ${folder}f; uwsgi_temp_path ${folder}u; scgi_temp_path ${folder}s;
           server { listen unix:${folder}.sock proxy_protocol;
           location / { return 200 "$proxy_protocol_addr $proxy_protocol_port to $proxy_protocol_server_addr $proxy_protocol_server_port"; } } }`,
        );
        const job = await stage.load({
          Sockets: { Socket: socket(host, 0) },
          RunAtLoad: true,
          ProgramArguments: [stage.program, "--proxy-protocol", version, nginx ?? "", "-c", configuration],
          EnvironmentVariables: { LAUNCH_PROGRAM_SOCKET_PATH: `${folder}.sock` },
        });
        const { from, answer } = await exchange(host, job.port(), get);
        expect(answer).toEndWith(`\r\n\r\n${from} to ${host} ${job.port()}`);
        await job.unload();
      });
    }

    test.skipIf(!haproxy)(`${version} reaches HAProxy (package haproxy)`, async () => {
      const port = await freePort();
      const configuration = await stage.write(
        `haproxy-${version}.cfg`,
        `global
  maxconn 100
defaults
  mode http
  timeout client 10s
  timeout connect 10s
  timeout server 10s
frontend web
  bind 127.0.0.1:${port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port]"
`,
      );
      const job = await stage.load({
        Sockets: { Socket: free },
        RunAtLoad: true,
        ProgramArguments: [stage.program, haproxy ?? "", "-db", "-f", configuration],
        EnvironmentVariables: {
          LAUNCH_PROGRAM_TCP_ADDRESS: `127.0.0.1:${port}`,
          LAUNCH_PROGRAM_PROXY_PROTOCOL: version,
        },
      });
      const { from, answer } = await exchange("127.0.0.1", job.port(), get);
      expect(answer).toEndWith(`\r\n\r\n${from}`);
      await job.unload();
    });

    test.skipIf(!apache)(`${version} reaches Apache (package apache2)`, async () => {
      const port = await freePort();
      const modules = "/usr/lib/apache2/modules";
      const folder = stage.folder;
      const loads = ["mpm_event", "remoteip", "authz_core", "headers", "rewrite"];
      const configuration = await stage.write(
        `apache-${version}.conf`,
        `${loads.map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`).join("\n")}
ServerRoot ${folder}
ServerName localhost
PidFile ${folder}/apache-${version}.pid
DefaultRuntimeDir ${folder}
ErrorLog ${folder}/apache.log
Listen 127.0.0.1:${port}
RemoteIPProxyProtocol On
DocumentRoot ${folder}
<Directory ${folder}>
  Require all granted
</Directory>
Header set X-Client "expr=%{REMOTE_ADDR}"
User nobody
Group nogroup
`,
      );
      await stage.write("index.html", "hello");
      const job = await stage.load({
        Sockets: { Socket: socket("127.0.0.1", 0) },
        RunAtLoad: true,
        ProgramArguments: [stage.program, apache ?? "", "-D", "FOREGROUND", "-f", configuration],
        EnvironmentVariables: {
          LAUNCH_PROGRAM_TCP_ADDRESS: `127.0.0.1:${port}`,
          LAUNCH_PROGRAM_PROXY_PROTOCOL: version,
        },
      });
      const { answer } = await exchange("127.0.0.1", job.port(), "GET /index.html HTTP/1.0\r\n\r\n");
      // Without the header Apache answers such a listener's clients with an error.
      expect(answer).toMatch(/^HTTP\/1.1 200 /);
      expect(answer).toContain("X-Client: 127.0.0.1\r\n");
      await job.unload();
    });

    test(`${version} is sent for a client that says nothing, and before everything else`, async () => {
      const received: Buffer[] = [];
      const path = stage.path(`silent-${version}.sock`);
      const backend = Bun.listen({
        unix: path,
        socket: {
          data(socket, data) {
            received.push(Buffer.from(data));
            socket.end("heard");
          },
        },
      });
      const job = await stage.load({
        Sockets: { Socket: free },
        RunAtLoad: true,
        ProgramArguments: [stage.program, "--proxy-protocol", version, "-"],
        EnvironmentVariables: { LAUNCH_PROGRAM_SOCKET_PATH: path },
      });
      const { answer } = await exchange("127.0.0.1", job.port(), "");
      expect(answer).toBe("heard");
      const heard = Buffer.concat(received).toString("latin1");
      expect(heard).toStartWith(version === "v1" ? "PROXY TCP4 127.0.0.1 " : "\r\n\r\n\0\r\nQUIT\n!");
      expect(heard.length).toBe(version === "v1" ? heard.indexOf("\n") + 1 : 28);
      await job.unload();
      backend.stop(true);
    });
  }

  test("a dual-stack listener's IPv4 clients go out as TCP4", async () => {
    const received: Buffer[] = [];
    const path = stage.path("dual.sock");
    const backend = Bun.listen({
      unix: path,
      socket: {
        data(socket, data) {
          received.push(Buffer.from(data));
          socket.end();
        },
      },
    });
    const job = await stage.load({
      Sockets: { Socket: { SockServiceName: "0", SockFamily: "IPv4v6" } },
      RunAtLoad: true,
      ProgramArguments: [stage.program, "--proxy-protocol", "v1", "-"],
      EnvironmentVariables: { LAUNCH_PROGRAM_SOCKET_PATH: path },
    });
    const { from } = await exchange("127.0.0.1", job.port(), "");
    const [address, port] = from.split(" ");
    expect(Buffer.concat(received).toString()).toBe(`PROXY TCP4 ${address} 127.0.0.1 ${port} ${job.port()}\r\n`);
    await job.unload();
    backend.stop(true);
  });
});
