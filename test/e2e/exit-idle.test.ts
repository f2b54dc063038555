/** `--exit-idle-time`: the program and the daemon end when nobody asks, and no client ever notices. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { alive } from "../support/processes.ts";
import { randomNumbers } from "../support/seed.ts";
import { Stage, socket } from "../support/stage.ts";

const free = { Sockets: { Socket: socket("127.0.0.1", 0) } };

/** One request on one connection, with nothing tried twice. */
function ask(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  const client = connect({ port, host: "127.0.0.1" }).setEncoding("utf8");
  client.on("connect", () => client.write("GET / HTTP/1.0\r\n\r\n"));
  client.on("data", (text) => {
    answer += text;
  });
  client.on("error", reject).on("close", () => resolve(answer));
  return promise;
}

describe("--exit-idle-time", () => {
  let stage: Stage;
  let server: string[];
  beforeAll(async () => {
    stage = await Stage.set({ throttle: 10 });
    // Dies at once on SIGTERM.
    server = await stage.script("plain-server.ts");
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test("clients that come at random moments around 200 stops are all served", async () => {
    const { below } = randomNumbers();
    const job = await stage.load({
      ...free,
      ProgramArguments: [stage.program, "--log-level", "warn", "--exit-idle-time", "20ms", ...server],
    });
    let served = 0;
    const client = async () => {
      while (job.exits.length < 200) {
        const answer = await ask(job.port());
        expect(answer).toMatch(/^HTTP\/1.1 200 .*"bytes":0}$/s);
        served++;
        await Bun.sleep(below(60));
      }
    };
    await Promise.all([client(), client(), client()]);
    expect(served).toBeGreaterThanOrEqual(200);
    expect(job.exits.every(({ code }) => code === 0)).toBe(true);
    expect(await job.stderr()).toBe("");
    await job.unload();
  }, 300_000);

  test("ends only when the last connection has ended, and stops the program in order", async () => {
    const job = await stage.load({
      ...free,
      ProgramArguments: [stage.program, ...server],
      EnvironmentVariables: { LAUNCH_DAEMON_EXIT_IDLE_TIME: "50ms" },
    });
    const held = connect({ port: job.port(), host: "127.0.0.1" });
    const answer = await ask(job.port());
    const { pid } = JSON.parse(answer.split("\r\n\r\n")[1] ?? "");
    // Far longer than the idle time: a connection on which nothing moves is one all the same.
    await Bun.sleep(500);
    expect(job.state).toBe("running");
    held.destroy();
    await job.waitFor("its end", () => job.exits.length === 1);
    expect(job.exits[0]).toMatchObject({ code: 0 });
    expect(alive(pid)).toBe(false);
    await job.unload();
  });

  test("with launchd's own throttle of ten seconds, the client waits and is served", async () => {
    await using slow = await Stage.set({ throttle: 10_000 });
    const job = await slow.load({
      ...free,
      ProgramArguments: [slow.program, "--exit-idle-time", "100ms", ...(await slow.script("plain-server.ts"))],
    });
    expect(await ask(job.port())).toMatch(/^HTTP\/1.1 200 /);
    await job.waitFor("its end", () => job.exits.length === 1);
    expect(await ask(job.port())).toMatch(/^HTTP\/1.1 200 /);
    await job.waitFor("its second end", () => job.exits.length === 2);
    const [first, second] = job.exits;
    expect((second?.started ?? 0) - (first?.started ?? 0)).toBeGreaterThanOrEqual(10_000);
    await job.unload();
  });

  test("with - there is no program, and the daemon ends alone", async () => {
    const backend = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("up") });
    const job = await stage.load({
      ...free,
      ProgramArguments: [stage.program, "--exit-idle-time", "50ms", "-"],
      EnvironmentVariables: { LAUNCH_PROGRAM_TCP_ADDRESS: `127.0.0.1:${backend.port}` },
    });
    expect(await ask(job.port())).toEndWith("up");
    await job.waitFor("its end", () => job.exits.length === 1);
    expect(job.exits[0]).toMatchObject({ code: 0 });
    await job.unload();
    await backend.stop(true);
  });
});
