import { protectedFolder } from "../../system/privacy.ts";
import { own } from "../check/inspection.ts";
import { hasChanged } from "../launchd/changed.ts";
import { explainEnd } from "../launchd/last-end.ts";
import { exitStatusOf } from "../launchd/state.ts";
import type { Dictionary } from "../plist/value.ts";
import { isSwitchedOff } from "./background-items.ts";
import { isDiskFull } from "./disk.ts";
import type { Facts } from "./facts.ts";
import { portProblems } from "./listeners.ts";
import { lastFailure, readTail } from "./log-tail.ts";

/** Who asks, and with which programs. */
export interface Asker {
  uid: number;
  lsof: string;
  sfltool: string;
}

/** What was looked for and found. */
export interface Diagnosis {
  /** Each a sentence without its full stop: what keeps the service from its work, and what to do. The likeliest first. */
  causes: string[];
  /** Whether it does its work: a service that waits for connections to a port that another server has does not. */
  works: boolean;
  /** Whether its port is not launchd's: another program has it, or nobody. */
  held: boolean;
}

/** Looks for what keeps a service from its work. What cannot be known is left out. */
export async function diagnose(facts: Facts, asker: Asker): Promise<Diagnosis> {
  const healthy = facts.state !== null && exitStatusOf(facts.state) === 0;
  const [held, full, off] = await Promise.all([
    portProblems(facts.addresses, asker, { pid: facts.loaded?.pid ?? null, loaded: isSettled(facts) }),
    describeDisk(facts),
    switchedOff(facts, asker),
  ]);
  const causes = [
    ...(facts.problem === null ? [] : [facts.problem]),
    ...off,
    ...held,
    ...(facts.job === null
      ? [`its property list ${facts.path} is gone or cannot be read, so it is not loaded again`]
      : []),
    ...(healthy ? [] : errorsOf(facts)),
    ...(facts.loaded !== null && facts.job !== null && hasChanged(facts.loaded, facts.job)
      ? ["its property list has changed since launchd loaded it; --stop and --start read it, --restart does not"]
      : []),
    ...full,
    ...(facts.state === "keeps failing" ? explainFailure(facts) : []),
    ...(facts.state === "not loaded" && off.length === 0 ? ["launchd has not loaded it; --start does that"] : []),
  ];
  const works = healthy && held.length === 0;
  if (!works && asker.uid !== 0 && held.length === 0 && hasPort(facts)) {
    causes.push(
      `only root can see whether another user's program holds its port: sudo launch_socket_server --status ${facts.label}`,
    );
  }
  return { causes, works, held: held.length > 0 };
}

async function switchedOff(facts: Facts, { uid, sfltool }: Asker): Promise<string[]> {
  if (facts.problem !== null) return [];
  if (facts.disabled) {
    return [
      facts.loaded === null
        ? "somebody has disabled it (launchctl disable); --start enables and starts it"
        : "somebody has disabled it (launchctl disable), so it is not loaded again; --start enables it",
    ];
  }
  if (facts.loaded !== null || uid !== 0 || !(await isSwitchedOff(facts.path, sfltool))) return [];
  return [
    "it is switched off in System Settings, General, Login Items & Extensions, Allow in the Background; switch it on there, then --start",
  ];
}

function errorsOf({ findings, job }: Facts): string[] {
  const errors = findings
    .filter(({ severity }) => severity === "error")
    .map(({ key, why, fix }) => `${key}: ${why}; ${fix}`);
  return [...errors, ...(job === null ? [] : closedFolders(job))];
}

/** TCC (system/privacy.ts): what lies there cannot be opened, whatever its permissions say. */
function closedFolders(job: Dictionary): string[] {
  const words = own(job, "ProgramArguments");
  const paths = [
    ...["Program", "WorkingDirectory", "StandardOutPath", "StandardErrorPath"].map((key) => own(job, key)),
    ...(Array.isArray(words) ? words : []),
  ];
  const folders = paths.flatMap((path) => (typeof path === "string" ? (protectedFolder(path) ?? []) : []));
  return [...new Set(folders)].map(
    (folder) =>
      `macOS keeps background jobs out of ${folder} (EPERM); move what it uses elsewhere, or give it Full Disk Access`,
  );
}

/** Whether launchd has to have its sockets by now. */
const isSettled = ({ loaded, state }: Facts) => loaded !== null && state !== "starting" && state !== "stopping";

const hasPort = ({ addresses }: Facts) => addresses.some(({ kind }) => kind === "tcp");

async function describeDisk({ log }: Facts): Promise<string[]> {
  if (log === null || !(await isDiskFull(log))) return [];
  return [`the disk of its log ${log} is full, so what it says is lost; make room`];
}

/** launchd's word for how it ended; where it ended by itself, what its log says last, which is of an older run otherwise. */
function explainFailure({ loaded, log }: Facts): string[] {
  const exit = loaded?.exit ?? null;
  const end = explainEnd(exit);
  const endedItself = exit?.kind === "status" && exit.name !== "EX_CONFIG" && !loaded?.spawnFailed;
  const tail = log === null || !endedItself ? null : readTail(log, 200);
  const said = tail !== null && "lines" in tail ? lastFailure(tail.lines) : null;
  const runs = loaded?.runs ?? 0;
  const again = runs < 2 ? "" : `; launchd has started it ${runs} times`;
  if (end === null) return [];
  return [`${said === null ? end : `${said} (${end})`}${again}`];
}

/** What to do where an older program still runs after an upgrade; null where both are the same, or one is not known. */
export function describeVersions(running: string | null, installed: string | null, label: string): string | null {
  if (running === null || installed === null || running === installed) return null;
  return `it runs ${running}, but ${installed} is installed: --restart ${label}`;
}
