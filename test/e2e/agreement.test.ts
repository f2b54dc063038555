/** The launcher and --check-plist judge a job's sockets and targets alike: what the one refuses is an error for the other, what it warns of a finding. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import { build } from "plist";
import { Command } from "../support/command.ts";
import { freePort } from "../support/ports.ts";
import { programForLaunchd } from "../support/program-under-test.ts";
import { Stage, socket } from "../support/stage.ts";

interface Finding {
  severity: "error" | "note";
  key: string;
  why: string;
  fix: string;
}

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.set();
  for (const [name, mode] of [
    ["private", 0o700],
    ["shared", 0o777],
    ["sticky", 0o1777],
  ] as const) {
    mkdirSync(stage.path(name));
    chmodSync(stage.path(name), mode);
  }
});
afterAll(() => stage[Symbol.asyncDispose]());

/** A job that binds a free port and a Unix path, with targets that the stage's folder stands for as `@`. */
interface Configuration {
  what: string;
  environment?: Record<string, string>;
  arguments?: string[];
  /** What the job has under Sockets, besides a free port called Socket; `@` is the stage's folder. */
  paths?: Record<string, string>;
  verdict: "refused" | "warned of" | "fine";
  /** What both say of it. */
  why?: RegExp;
}

const own = /is .*, which (this program serves|launchd binds for this job)/;
const shared = /others may write to .*, so they can put a socket of their own at/;

const table: Configuration[] = [
  { what: "a generated path", verdict: "fine" },
  { what: "a path in a private folder", environment: { LAUNCH_PROGRAM_SOCKET_PATH: "@/private/web" }, verdict: "fine" },
  {
    what: "a path in a shared folder",
    environment: { LAUNCH_PROGRAM_SOCKET_PATH: "@/shared/web" },
    verdict: "warned of",
    why: shared,
  },
  {
    what: "a path in a sticky folder",
    environment: { LAUNCH_PROGRAM_SOCKET_PATH: "@/sticky/web" },
    verdict: "warned of",
    why: shared,
  },
  {
    what: "a flag's path in a sticky folder",
    arguments: ["--socket-path", "@/sticky/web"],
    verdict: "warned of",
    why: shared,
  },
  {
    what: "a route into a shared folder",
    environment: { LAUNCH_DAEMON_ROUTES: "Socket=@/shared/web" },
    verdict: "warned of",
    why: shared,
  },
  {
    what: "a route into a sticky folder",
    arguments: ["--route", "Socket=@/sticky/web"],
    verdict: "warned of",
    why: shared,
  },
  {
    what: "a TCP target that is the job's own port",
    environment: { LAUNCH_PROGRAM_TCP_ADDRESS: "127.0.0.1:PORT" },
    verdict: "refused",
    why: own,
  },
  {
    what: "a route to the job's own port",
    arguments: ["--route", "Socket=localhost:PORT"],
    verdict: "refused",
    why: own,
  },
  {
    what: "a Unix target that is the job's own path",
    environment: { LAUNCH_PROGRAM_SOCKET_PATH: "@/private/own" },
    paths: { Socket: "@/private/own" },
    verdict: "refused",
    why: own,
  },
  {
    what: "the same, spelt otherwise",
    environment: { LAUNCH_PROGRAM_SOCKET_PATH: "@/private/../private/own" },
    paths: { Socket: "@/private/own" },
    verdict: "refused",
    why: own,
  },
  {
    what: "a route to the other socket's path",
    arguments: ["--route", "Socket=@/private/own", "--route", "Other=:1"],
    paths: { Other: "@/private/own" },
    verdict: "refused",
    why: own,
  },
  {
    what: "no target for -",
    arguments: ["-"],
    verdict: "refused",
    why: /LAUNCH_PROGRAM_TCP_ADDRESS or LAUNCH_PROGRAM_SOCKET_PATH|generated path/,
  },
  {
    what: "a route without a target for -",
    arguments: ["--route", "Socket=", "-"],
    verdict: "refused",
    why: /there is no program to tell a generated path/,
  },
  {
    what: "a socket that the job does not have",
    environment: { LAUNCH_DAEMON_SOCKET_NAME: "Web" },
    verdict: "refused",
    why: /"Web"/,
  },
];

test.each(table)("$what is $verdict", async ({ environment = {}, arguments: words = [], paths = {}, verdict, why }) => {
  const port = freePort();
  const place = (text: string) => text.replaceAll("@", stage.folder).replaceAll("PORT", String(port));
  const placed = (record: Record<string, string>) =>
    Object.fromEntries(Object.entries(record).map(([name, value]) => [name, place(value)]));
  const sockets: Record<string, object> = { Socket: socket("127.0.0.1", port) };
  for (const [name, path] of Object.entries(placed(paths))) sockets[name] = { SockPathName: path };
  const label = `com.example.agreement-${port}`;
  const program = words.includes("-") ? [] : ["/bin/sleep", "100"];
  const file = await stage.write(
    `${label}.plist`,
    build({
      Label: label,
      UserName: "root",
      ExitTimeOut: 9,
      ProgramArguments: [stage.program, ...words.map(place), ...program],
      EnvironmentVariables: placed(environment),
      Sockets: sockets as never,
    }),
  );

  await using check = new Command([programForLaunchd, "--check-plist", file, "--json"], {
    env: { TEST_INSTALL_ROOT: "" },
  });
  const checked = await check.ended();
  const { findings } = JSON.parse(checked.stdout) as { findings: Finding[] };
  const found = findings.filter((finding) => why?.test(`${finding.why}; ${finding.fix}`) ?? true);

  const job = await stage.launchd.load(file, { capture: true });
  job.start();
  await job.waitFor(
    "a start or a refusal",
    async (job) => job.exits.length > 0 || /: serving /.test(await job.stderr()),
  );
  const log = await job.stderr();
  const refused = job.exits.length > 0;
  await job.unload();

  const heard = log.split("\n").filter((line) => why?.test(line));
  switch (verdict) {
    case "refused":
      expect([refused, heard.length, found.map(({ severity }) => severity)]).toEqual([true, 1, ["error"]]);
      break;
    case "warned of":
      // In a job of root, as this is, what the launcher warns of lets somebody in.
      expect([refused, heard.length, found.map(({ severity }) => severity)]).toEqual([false, 1, ["error"]]);
      break;
    case "fine":
      expect([refused, /others may write|own/.test(log)]).toEqual([false, false]);
      expect(findings.filter(({ why }) => shared.test(why) || own.test(why))).toEqual([]);
  }
});
