/** `--route`: several sockets of one plist, each with a target of its own. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Stage, socket } from "../support/stage.ts";

const free = socket("127.0.0.1", 0);
const twoSockets = { Sockets: { HTTP: free, HTTPS: [free, free] }, RunAtLoad: true };

describe("--route", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.set();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  const text = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`, { keepalive: false })).text();

  test("sends each named socket to its own target, in the variable's form", async () => {
    const path = stage.path("https.sock");
    const first = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("first") });
    const second = Bun.serve({ unix: path, fetch: () => new Response("second") });
    const job = await stage.load({
      ...twoSockets,
      ProgramArguments: [stage.program, "-"],
      EnvironmentVariables: { LAUNCH_DAEMON_ROUTES: ` HTTP=127.0.0.1:${first.port}\n HTTPS=${path} ` },
    });
    expect(await text(job.port("HTTP"))).toBe("first");
    expect(await text(job.port("HTTPS"))).toBe("second");
    expect(await text(job.port("HTTPS", 1))).toBe("second");
    expect(await job.unload()).toMatchObject({ code: 0 });
    await Promise.all([first.stop(true), second.stop(true)]);
  });

  test("tells generated paths to the program, each by its name", async () => {
    const job = await stage.load({
      ...twoSockets,
      ProgramArguments: [
        stage.program,
        "--route",
        "HTTP=",
        "--route",
        "HTTPS=",
        ...(await stage.script("two-servers.ts")),
      ],
    });
    expect(JSON.parse(await text(job.port("HTTP")))).toMatchObject({ name: "HTTP" });
    const { env } = JSON.parse(await text(job.port("HTTPS")));
    expect(env.LAUNCH_PROGRAM_SOCKET_PATH_HTTP).toEndWith("/HTTP");
    expect(env.LAUNCH_PROGRAM_SOCKET_PATH_HTTPS).toEndWith("/HTTPS");
    expect(env.LAUNCH_PROGRAM_SOCKET_PATH).toBeUndefined();
    await job.unload();
  });

  test("a name that launchd does not know is a sentence that lists the given ones", async () => {
    const job = await stage.load({
      ...twoSockets,
      ProgramArguments: [stage.program, "--route", "HTTP=:8080", "--route", "Web=:8081", "-"],
    });
    await job.waitFor("its end", () => job.exits.length > 0);
    expect(job.exits[0]).toMatchObject({ code: 1 });
    expect(await job.stderr()).toMatch(
      /^launch_socket_server: error activating launch socket: no socket named "Web" .*names given: HTTP, Web.*\n$/,
    );
    await job.unload();
  });

  test("a target that is down holds up only its own clients", async () => {
    const backend = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("up") });
    const job = await stage.load({
      ...twoSockets,
      ProgramArguments: [
        stage.program,
        "--route",
        `HTTP=127.0.0.1:${backend.port}`,
        "--route",
        `HTTPS=${stage.path("nobody.sock")}`,
        "-",
      ],
    });
    const waiting = text(job.port("HTTPS"));
    for (let i = 0; i < 10; i++) expect(await text(job.port("HTTP"))).toBe("up");
    const late = Bun.serve({ unix: stage.path("nobody.sock"), fetch: () => new Response("late") });
    expect(await waiting).toBe("late");
    await job.unload();
    await Promise.all([backend.stop(true), late.stop(true)]);
  });
});
