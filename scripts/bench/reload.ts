/**
 * The longest that a client waits while a server is replaced, by a reload and by a restart of the daemon on the same socket:
 *
 *   bun scripts/bench/reload.ts [ROUNDS]
 *
 * 20 clients, each with one request at a time on a connection of its own. The restart is that of systemd and launchd: the socket
 * stays, and the next daemon takes it.
 */
import { Deployment, servers } from "../../test/interop/deployments.ts";
import { compile } from "../../test/support/compile.ts";
import { run, start } from "../../test/support/program-under-test.ts";
import { Crowd, request } from "../../test/support/requests.ts";
import { waitFor } from "../../test/support/wait.ts";

const rounds = Number(process.argv[2] ?? 10);

for (const server of servers) {
  using deployment = new Deployment(server);
  const { program, env } = deployment;
  await using starter = start(program, { through: [compile("restarting")], env });
  const port = Number((await starter.logged(/^port (\d+)$/m))[1]);
  const address = { kind: "tcp", host: "127.0.0.1", port } as const;
  await request(address);
  const crowd = new Crowd(address, 20, 100);
  const starts = () => starter.stderr.match(/serving /g)?.length ?? 0;
  const served = async () => {
    const before = crowd.answered;
    await waitFor("answers", () => crowd.answered > before + 100, 60_000);
  };
  const longest = async (replace: () => Promise<void>) => {
    const waits: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await served();
      crowd.longest = 0;
      await replace();
      await served();
      waits.push(crowd.longest);
    }
    waits.sort((a, b) => a - b);
    return `median ${waits[rounds >> 1]?.toFixed(0)} ms, worst ${waits.at(-1)?.toFixed(0)} ms`;
  };
  await served();
  crowd.longest = 0;
  await Bun.sleep(3_000);
  const undisturbed = crowd.longest.toFixed(0);
  const reload = await longest(async () => {
    const [pid] = await daemonsBelow(starter.pid);
    const { code, stderr } = await run(["--reload", String(pid)]);
    if (code !== 0) throw new Error(stderr);
  });
  const restart = await longest(async () => {
    const before = starts();
    starter.signal("SIGHUP");
    await waitFor("the next daemon", () => starts() > before, 60_000);
  });
  console.log(
    `${server.name}: undisturbed ${undisturbed} ms; reload: ${reload}; restart: ${restart}; ${crowd.failures.length} of ${crowd.answered} lost`,
  );
  await crowd.over();
}

async function daemonsBelow(pid: number): Promise<number[]> {
  const text = await Bun.file(`/proc/${pid}/task/${pid}/children`).text();
  return text.split(" ").filter(Boolean).map(Number);
}
