/** `--proxy-protocol` with servers that we did not write, each of which answers with the client's address. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { peer } from "../support/peers.ts";
import { freePort } from "../support/ports.ts";
import { Stage, socket } from "../support/stage.ts";

const free = socket("127.0.0.1", 0);

describe("--proxy-protocol", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.set();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  /** Sends `request` from an address of its own; returns that address and all that came back. */
  async function exchange(
    where: { host: string; port: number } | { path: string },
    request: string,
  ): Promise<{ from: string; answer: string }> {
    let answer = "";
    let from = "";
    const client = connect({ ...where, allowHalfOpen: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    client.setEncoding("latin1").on("data", (text) => {
      answer += text;
    });
    client.on("error", reject).on("end", () => resolve());
    client.on("connect", () => {
      from = `${client.localAddress} ${client.localPort}`;
      client.end(request);
    });
    await promise;
    client.destroy();
    return { from, answer };
  }

  const get = "GET / HTTP/1.0\r\n\r\n";
  const nginx = peer("nginx", "nginx-light");
  const haproxy = peer("haproxy", "haproxy");
  const apache = peer("apache2", "apache2");

  /** A server that answers every request with the client's address as it knows it, and `local` where the header tells none. */
  interface Server {
    name: string;
    command: string[];
    /** Where it is reached. */
    environment: Record<string, string>;
  }

  async function nginxServer(): Promise<Server> {
    const folder = stage.path("nginx");
    const configuration = await stage.write(
      "nginx.conf",
      `daemon off; worker_processes 1; pid ${folder}.pid; error_log ${folder}.log;
       events {} http { access_log off; client_body_temp_path ${folder}b; proxy_temp_path ${folder}p;
       fastcgi_temp_path ${folder}f; uwsgi_temp_path ${folder}u; scgi_temp_path ${folder}s;
       map $proxy_protocol_addr $from { default "$proxy_protocol_addr $proxy_protocol_port"; "" local; }
       server { listen unix:${folder}.sock proxy_protocol; location / { return 200 "$from"; } } }`,
    );
    return {
      name: "nginx",
      command: [nginx ?? "", "-c", configuration],
      environment: { LAUNCH_PROGRAM_SOCKET_PATH: `${folder}.sock` },
    };
  }

  async function haproxyServer(): Promise<Server> {
    const port = freePort();
    const configuration = await stage.write(
      "haproxy.cfg",
      `global
  maxconn 100
defaults
  mode http
  option http-ignore-probes
  timeout client 10s
  timeout connect 10s
  timeout server 10s
frontend web
  bind 127.0.0.2:${port} accept-proxy
  # Without an address in the header the connection's own holds, which is the relay's.
  http-request return status 200 content-type text/plain string local if { dst 127.0.0.2 }
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port]"
`,
    );
    return {
      name: "HAProxy",
      command: [haproxy ?? "", "-db", "-f", configuration],
      environment: { LAUNCH_PROGRAM_TCP_ADDRESS: `127.0.0.2:${port}` },
    };
  }

  describe.each([
    { name: "nginx on a Unix socket (package nginx-light)", program: nginx, server: nginxServer },
    { name: "HAProxy over TCP (package haproxy)", program: haproxy, server: haproxyServer },
  ])("$name", ({ program, server }) => {
    test.skipIf(!program).each(["v1", "v2"])(
      "%s tells it of IPv4, IPv6, mapped and Unix clients, and does no harm for those that send nothing",
      async (version) => {
        const { name, command, environment } = await server();
        const path = stage.path(`${name}-${version}.client`);
        const sockets = [socket("127.0.0.1", 0), socket("::1", 0), { SockServiceName: "0", SockFamily: "IPv4v6" }];
        const job = await stage.load({
          Sockets: { Socket: [...sockets, { SockPathName: path }] },
          RunAtLoad: true,
          ProgramArguments: [stage.program, "--proxy-protocol", version, ...command],
          EnvironmentVariables: environment,
        });
        const port = (host: string) => {
          const bound = [...job.sockets.values()]
            .flat()
            .find((socket) => socket.kind === "address" && socket.host === host);
          return bound?.kind === "address" ? bound.port : 0;
        };
        const clients = [
          { host: "127.0.0.1", port: port("127.0.0.1") },
          { host: "::1", port: port("::1") },
          // The listener is dual-stack: the system shows this client as ::ffff:127.0.0.1.
          { host: "127.0.0.1", port: port("::") },
          { path },
        ];
        for (const client of clients) {
          const { from, answer } = await exchange(client, get);
          expect(answer).toMatch(/^HTTP\/1\.[01] 200 /);
          expect(answer).toEndWith(`\r\n\r\n${"path" in client ? "local" : from}`);
        }
        for (const client of clients) expect((await exchange(client, "")).answer).toBe("");
        expect((await exchange({ path }, get)).answer).toEndWith("local");
        await job.unload();
      },
    );
  });

  for (const version of ["v1", "v2"]) {
    test.skipIf(!apache)(`${version} reaches Apache (package apache2)`, async () => {
      const port = freePort();
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
      const { answer } = await exchange({ host: "127.0.0.1", port: job.port() }, "GET /index.html HTTP/1.0\r\n\r\n");
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
      const { answer } = await exchange({ host: "127.0.0.1", port: job.port() }, "");
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
    const { from } = await exchange({ host: "127.0.0.1", port: job.port() }, "");
    const [address, port] = from.split(" ");
    expect(Buffer.concat(received).toString()).toBe(`PROXY TCP4 ${address} 127.0.0.1 ${port} ${job.port()}\r\n`);
    await job.unload();
    backend.stop(true);
  });
});
