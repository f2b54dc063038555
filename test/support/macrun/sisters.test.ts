/**
 * The Mac program beside its Linux sister: the same scenes with each, whose outcomes are compared. Of 186 scenes for each
 * pair of socket kinds all end alike; those in which a Unix peer closes what it has half-closed did not before the relay
 * looked after them itself, since kqueue does not tell Bun of such a close.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Client } from "../client.ts";
import { FaultyBackend, type Order } from "../faulty-backend.ts";
import { ProgramUnderTest, programUnderTest } from "../program-under-test.ts";
import { freeTarget } from "../targets.ts";
import { waitFor } from "../wait.ts";

type Kind = "tcp" | "unix";

interface Scene {
  order: Order;
  /** What the client does once the answer and its end are there, and 100 ms after that. */
  acts: readonly ("shutdown" | "close" | "reset")[];
}

const bothPrograms = [resolve(import.meta.dir, "../../../sbin/launch_socket_server"), programUnderTest.path] as const;
const isMacProgram = programUnderTest.given && programUnderTest.platform === "macos";
/** Milliseconds within which every scene ends on Linux: a close is waited for up to 5 s. */
const patience = 12_000;

const acts = [[], ["shutdown"], ["close"], ["reset"], ["shutdown", "close"], ["shutdown", "reset"]] as const;
const scenes: Scene[] = [];
for (const answer of [0, 100, 300_000]) {
  for (const last of ["end", "close", "reset", "hold", "keep"] as const)
    for (const deaf of [false, true])
      for (const each of acts) scenes.push({ order: { answer, last, deaf }, acts: each });
  for (const later of ["close", "reset"] as const) scenes.push({ order: { answer, last: "end", later }, acts: [] });
}

/** One side ends its data and then closes or resets, while the other is silent with its end open. */
function closesHalfClosed({ order: { last, deaf, later }, acts }: Scene): boolean {
  return later !== undefined || (acts.length === 2 && (last === "keep" || (last === "hold" && deaf === true)));
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sisters-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Plays scenes side by side through a program, and returns how each ended for the client and in the program's log. */
async function play(
  program: (typeof bothPrograms)[number],
  listener: Kind,
  target: Kind,
  scenes: Scene[],
): Promise<string[]> {
  using place = freeTarget(target);
  using _ = new FaultyBackend(place.address);
  const path = join(folder, `${scenes.length}-${bothPrograms.indexOf(program)}-${target}`);
  const listen = listener === "tcp" ? "127.0.0.1:0" : path;
  await using daemon = new ProgramUnderTest(
    [program, "--listen", listen, "--max-connections=1000", ...place.options, "-"],
    { env: { LAUNCH_DAEMON_LOG_LEVEL: "debug" } },
  );
  await daemon.serves();
  const outcomes = scenes.map(async ({ order, acts }, index) => {
    await Bun.sleep(index * 12);
    using client = await Client.open(daemon.address);
    // The log's line is known by the number of bytes.
    const length = 300 + index;
    client.send(`${JSON.stringify(order).padEnd(length - 1)}\n`);
    const silent = order.last === "hold" || order.last === "keep";
    const answered = () => client.received === order.answer && (silent || client.state !== "open");
    await waitFor("the answer", answered, patience).catch(() => {});
    for (const act of acts) {
      await Bun.sleep(100);
      client[act]();
    }
    const line = new RegExp(`: ${length} bytes up, (.*)\\n`);
    const logged = await waitFor("", () => daemon.stderr.match(line), patience).catch(() => null);
    const gone = acts.at(-1) === "close" || acts.at(-1) === "reset";
    if (!gone && logged !== null) await waitFor("the end", () => client.state !== "open", 1_000).catch(() => {});
    // Bun may tell of an end and a close that follows at once by the close alone.
    const state = client.state === "closed" ? "ended" : client.state;
    const end = gone ? "" : `, client ${state} after ${client.received} bytes`;
    return `${JSON.stringify(order)} ${acts.join(", ")}: ${logged?.[1] ?? "open"}${end}`;
  });
  return await Promise.all(outcomes);
}

const pairs: [Kind, Kind][] = [
  ["tcp", "tcp"],
  ["tcp", "unix"],
  ["unix", "tcp"],
  ["unix", "unix"],
];

/** The outcomes that differ, with the kinds of the client's and the backend's socket, on Linux and on macOS. */
async function differences(scenes: Scene[]): Promise<string[][]> {
  const played = pairs.map(async ([listener, target]) => {
    const [linux, mac] = await Promise.all(bothPrograms.map((program) => play(program, listener, target, scenes)));
    const outcomes = (linux ?? []).map((line, index) => [listener, target, line, mac?.[index] ?? ""]);
    return outcomes.filter(([, , onLinux, onMac]) => onLinux !== onMac);
  });
  return (await Promise.all(played)).flat();
}

describe.skipIf(!isMacProgram)("the Mac program ends connections as the Linux program does", () => {
  test("whatever is answered, ended, closed and reset", async () => {
    const others = scenes.filter((scene) => !closesHalfClosed(scene));
    expect(others.length).toBeGreaterThan(100);
    expect(await differences(others)).toEqual([]);
  });

  test("also a close or a reset of what was half-closed", async () => {
    const halfClosed = scenes.filter(closesHalfClosed);
    expect(halfClosed.length).toBeGreaterThan(10);
    expect(await differences(halfClosed)).toEqual([]);
  });
});
