/** What scripts/verify-macos checks, in the order in which it is done. */
import { existsSync } from "node:fs";
import { BlockingSocket, type Received, SocketError } from "./blocking-socket.ts";
import { installByHomebrew, serveByHomebrew } from "./homebrew.ts";
import { RELAY_CHECKS } from "./relay-checks.ts";
import { type Bench, folderOf, type Place, run, Service, type ServiceOptions, until } from "./service.ts";

export interface Check {
  readonly name: string;
  /** What has to be there: port 80 on 127.0.0.1, the right to become root, Homebrew. */
  readonly needs: readonly ("port 80" | "root" | "Homebrew")[];
  /** Throws an Error with a sentence when it fails. */
  readonly run: (bench: Bench) => Promise<void>;
}

/** What the backend says about itself. */
interface Who {
  readonly uid: number;
  readonly pid: number;
  readonly path: string;
  readonly socket: string | undefined;
  readonly args: readonly string[];
}

/** The PATH that launchd gives to its jobs. */
const BARE_PATH = "/usr/bin:/bin:/usr/sbin:/sbin";
const AWKWARD_ARGUMENTS = ["two words", "$HOME", "'\"", "", "-x", "*", "back\\slash", "ümläut!", "new\nline"];

/** All checks; `session` is launchd's domain of the user, gui/501 or user/501. */
export function allChecks(session: string): Check[] {
  const agent: Place = { kind: "agent", domain: session, port: null };
  const daemon: Place = { kind: "daemon", domain: "system", port: 80 };
  return [
    ...PROGRAM_CHECKS,
    ...serviceChecks(agent, "agent on a high port", []),
    check("agent on 127.0.0.1:80 without sudo", ["port 80"], (bench) =>
      withService(bench, { ...agent, port: 80 }, {}, async (service) => expectUser(service)),
    ),
    ...serviceChecks(daemon, "daemon on 127.0.0.1:80", ["port 80", "root"]),
    check("Homebrew installs the release, and its test passes", ["Homebrew"], installByHomebrew),
    check("Homebrew's service answers on 127.0.0.1:80", ["Homebrew", "port 80"], serveByHomebrew),
  ];
}

const PROGRAM_CHECKS: readonly Check[] = [
  check("codesign accepts the signature", [], async ({ program }) => {
    const { exitCode, stderr } = run("codesign", "--verify", "--strict", "--verbose=2", program);
    if (exitCode !== 0) throw new Error(stderr.toString().trim());
  }),
  check("the program starts and tells its version", [], async ({ program }) => {
    const { exitCode, signalCode, stdout, stderr } = run(program, "--version");
    if (exitCode !== 0) throw new Error(`it ended with ${signalCode ?? exitCode}: ${stderr.toString().trim()}`);
    if (!/^\d+\.\d+\.\d+$/.test(stdout.toString().trim())) throw new Error(`it says "${stdout.toString().trim()}"`);
  }),
];

function serviceChecks(place: Place, prefix: string, needs: Check["needs"]): Check[] {
  const here = (name: string, options: ServiceOptions, verify: (service: Service) => Promise<unknown>) =>
    check(`${prefix}: ${name}`, needs, (bench) => withService(bench, place, options, verify));
  return [
    here("generated path, as the right user", {}, async (service) => {
      expectUser(service);
      if (who(service).socket === undefined) throw new Error("the server was given no LAUNCH_PROGRAM_SOCKET_PATH");
    }),
    here("--status tells of it", {}, async (service) => {
      expectUser(service);
      expectStatus(service);
    }),
    here("--reload: a transfer of 3 s ends first, and the next answer is the new copy's", {}, async (service) => {
      expectReload(service);
    }),
    here("fixed path", { target: "path" }, async (service) => expectUser(service)),
    here("TCP", { target: "tcp" }, async (service) => expectUser(service)),
    here("-, to a path", { target: "path", proxyOnly: true }, async (service) => expectUser(service)),
    here("-, to TCP", { target: "tcp", proxyOnly: true }, async (service) => expectUser(service)),
    check(`${prefix}: login_wrapper`, needs, (bench) =>
      withService(bench, place, { wrapper: [bench.loginWrapper], args: AWKWARD_ARGUMENTS }, async (service) => {
        const { args, path } = expectUser(service);
        if (JSON.stringify(args) !== JSON.stringify(AWKWARD_ARGUMENTS))
          throw new Error(`the arguments arrived as ${JSON.stringify(args)}`);
        if (path === BARE_PATH) throw new Error(`PATH is launchd's, ${path}, and not what a login shell sets`);
      }),
    ),
    here(
      "a client that comes before the server listens",
      { environment: { VERIFY_START_DELAY: "2" } },
      async (service) => {
        expectUser(service);
      },
    ),
    here("restart: every request is answered", { keepAlive: true }, async (service) => {
      for (let i = 0; i < 100; i++) {
        // launchd lets ten seconds pass from one start to the next: the clients wait in the kernel.
        if (i === 30) service.signal("SIGTERM");
        expectUser(service);
      }
    }),
    // An agent's property list would have to be in the user's own folder.
    ...(place.kind === "daemon"
      ? [
          here(
            "--restart: every request is answered, and launchd starts it at once",
            { keepAlive: true },
            expectRestart,
          ),
        ]
      : []),
    here("stop: a transfer of 4 s ends first, and nothing stays behind", LONG_STOP, async (service) => {
      expectExitTimeout(service, LONG_STOP.exitTimeout);
      const { bytes, ending } = await bootOutMidTransfer(service, 4);
      if (ending !== "end") throw new Error(`the transfer ended with ${ending} after ${bytes.length + 1} bytes`);
      if (bytes.length !== 39_999) throw new Error(`${bytes.length + 1} of 40000 bytes arrived`);
    }),
    here("stop without ExitTimeOut: a transfer of 8 s ends within launchd's 5 s, in order", {}, async (service) => {
      expectExitTimeout(service, 5);
      const started = performance.now();
      const { bytes } = await bootOutMidTransfer(service, 8);
      if (bytes.length < 10_000) throw new Error(`only ${bytes.length + 1} bytes of the transfer arrived`);
      const seconds = (performance.now() - started) / 1000;
      if (seconds > 4.8) throw new Error(`the stop took ${seconds.toFixed(1)} s`);
    }),
    here(
      "a wrong socket name is told in the log",
      { socketName: "Web", environment: { LAUNCH_DAEMON_SOCKET_NAME: "Socket" } },
      async (service) => {
        await until("the log names the socket", 10_000, () => service.log().includes('no socket named "Socket"'));
      },
    ),
    ...RELAY_CHECKS.map(({ name, options, verify }) => here(name, options, verify)),
  ];
}

/** The daemon's own account, by the socket in /tmp that its user may connect to, and by who listens there. */
function expectStatus(service: Service): void {
  const pid = service.pid();
  const { exitCode, stdout, stderr } = run(service.bench.program, "--status", String(pid), "--json");
  if (exitCode !== 0) throw new Error(`--status ${pid} ended with ${exitCode}: ${stderr.toString().trim()}`);
  const { name, status } = JSON.parse(stdout.toString());
  if (name !== service.label) throw new Error(`it says that process ${pid} is ${name} instead of ${service.label}`);
  const { listen } = status.addresses[0];
  if (listen !== `127.0.0.1:${service.port}`) throw new Error(`it says that ${listen} is served`);
  if (status.connections.total !== 1 || status.bytes.down === 0)
    throw new Error(`of one connection it tells ${JSON.stringify({ ...status.connections, ...status.bytes })}`);
}

/** What no other system can show: that launchd keeps the sockets over `kill` and `kickstart`, and what it answers to both. */
async function expectRestart(service: Service): Promise<void> {
  expectUser(service);
  const before = service.pid();
  const restarting = service.restart();
  while (restarting.exitCode === null) {
    expectUser(service);
    await Bun.sleep(10);
  }
  const said = (await new Response(restarting.stdout).text()) + (await new Response(restarting.stderr).text());
  if (restarting.exitCode !== 0) throw new Error(`--restart ended with ${restarting.exitCode}: ${said.trim()}`);
  const after = service.pid();
  if (after === null || after === before) throw new Error(`process ${before} became ${after}: ${said.trim()}`);
  expectUser(service);
}

/** Reloads in the middle of a transfer: that is whole, and of the old copy nothing stays behind. */
function expectReload(service: Service): void {
  const before = expectUser(service);
  const client = service.connect();
  client.send("drip 3000\n");
  client.receive(1);
  const { exitCode, stdout, stderr } = run(service.bench.program, "--reload", String(service.pid()));
  const said = `${stdout}${stderr}`.trim();
  if (exitCode !== 0) throw new Error(`--reload ended with ${exitCode}: ${said}`);
  const { bytes, ending } = client.receiveAll();
  client.close();
  if (ending !== "end" || bytes.length !== 29_999)
    throw new Error(`the transfer ended with ${ending} after ${bytes.length + 1} of 30000 bytes`);
  const after = expectUser(service);
  if (after.pid === before.pid) throw new Error(`process ${before.pid} answers still, although ${said}`);
  if (existsSync(folderOf(before.socket ?? ""))) throw new Error(`the old copy's ${before.socket} is still there`);
  if (run("ps", "-p", String(before.pid)).exitCode === 0)
    throw new Error(`the old copy, process ${before.pid}, is still there`);
}

/** A stop that may take longer than launchd gives by default. */
const LONG_STOP = { exitTimeout: 15, environment: { LAUNCH_PROGRAM_STOP_TIMEOUT: "10s" } } as const;

function expectExitTimeout(service: Service, expected: number): void {
  const found = service.state()?.exitTimeout;
  if (found !== expected) throw new Error(`launchctl print says "exit timeout = ${found}" instead of ${expected}`);
}

/**
 * Boots the job out in the middle of a transfer of so many seconds, and returns what of it arrived. Everything has to be
 * gone then: the job, the server's process, and the folder of the generated path.
 */
async function bootOutMidTransfer(service: Service, seconds: number): Promise<Received> {
  const { socket = "", pid } = who(service);
  const client = service.connect();
  client.send(`drip ${seconds * 1000}\n`);
  client.receive(1);
  service.bootout();
  const received = client.receiveAll();
  client.close();
  await until("launchd forgets the job", 20_000, () => service.state() === null);
  if (existsSync(folderOf(socket))) throw new Error(`${folderOf(socket)} is still there`);
  if (run("ps", "-p", String(pid)).exitCode === 0) throw new Error(`the server, process ${pid}, is still there`);
  return received;
}

function check(name: string, needs: Check["needs"], run: Check["run"]): Check {
  return { name, needs, run };
}

async function withService(
  bench: Bench,
  place: Place,
  options: ServiceOptions,
  verify: (service: Service) => Promise<unknown>,
): Promise<void> {
  const service = await Service.start(bench, place, options);
  try {
    await verify(service);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const log = service.log().trim().split("\n").slice(-5).join("\n       ");
    throw new Error(log === "" ? error.message : `${error.message}\n       ${log}`);
  } finally {
    await service.stop();
  }
}

function who(service: Service): Who {
  return JSON.parse(service.ask("who")) as Who;
}

function expectUser(service: Service): Who {
  const answer = who(service);
  const { uid, name } = service.bench.user;
  if (answer.uid !== uid) throw new Error(`the server runs as user ${answer.uid} instead of ${uid} (${name})`);
  return answer;
}

/** Whether somebody serves 127.0.0.1:80 already, as far as a connection tells. */
export function port80IsTaken(): boolean {
  try {
    BlockingSocket.connect({ kind: "tcp", host: "127.0.0.1", port: 80 }).close();
    return true;
  } catch (error) {
    if (error instanceof SocketError && error.failure === "refused") return false;
    throw error;
  }
}
