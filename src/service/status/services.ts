import { formatAddress } from "../../address.ts";
import { NoAnswer } from "../../control/client.ts";
import type { Caller } from "../caller/caller.ts";
import { describeVersions, diagnose } from "../diagnosis/diagnosis.ts";
import { gatherFacts } from "../diagnosis/facts.ts";
import { logOf, readTail } from "../diagnosis/log-tail.ts";
import { readJob } from "../launchd/addresses.ts";
import { type Domain, lsof, machine, sfltool } from "../launchd/domain.ts";
import { lookAt } from "../launchd/installed.ts";
import { endInWords } from "../launchd/last-end.ts";
import { foreign, isThisProgram, programOf } from "../launchd/ownership.ts";
import { type Reach, reachOf } from "../launchd/reach.ts";
import { servicesIn } from "../launchd/services.ts";
import { exitStatusOf } from "../launchd/state.ts";
import { type Standing, standingOf, survey } from "../launchd/survey.ts";
import type { Dictionary } from "../plist/value.ts";
import { daemonOf } from "./daemons.ts";
import type { Entry } from "./entry.ts";
import { joinOne } from "./join.ts";

/** The services of launchd that run this program, in the order of their labels; none where there is no launchd. */
export async function servicesOf(caller: Caller): Promise<Entry[]> {
  const reach = reachOf(caller);
  if (reach === null) return [];
  return (await survey(reach)).map(({ label, job, ...standing }) => entryOf(label, job, standing));
}

/**
 * One of them, with the end of its log and the reasons why it does not work; null where there is none of that label. One whose
 * property list is gone is found as long as launchd has it. `version` is that of the program that asks. Throws a UserError where
 * launchd cannot be asked for a label without a property list.
 */
export async function serviceOf(label: string, caller: Caller, version: string): Promise<Entry | null> {
  const reach = reachOf(caller);
  const found = reach && (await find(label, reach));
  if (reach === null || found === null) return null;
  const { path, domain } = found;
  const standing = await standingOf(label, reach.launchctlOf(domain));
  const facts = await gatherFacts({ label, path, kind: domain.kind }, standing, machine);
  const { causes, works, held } = await diagnose(facts, { uid: caller.uid, lsof, sfltool });
  const plain = entryOf(label, facts.job, standing);
  const tail = facts.log === null ? null : readTail(facts.log);
  const service = { ...plain, state: held ? "its port is taken" : plain.state, works, causes, tail };
  if (service.pid === null) return service;
  try {
    const entry = joinOne(service, await daemonOf(service.pid));
    const program = facts.job && programOf(facts.job);
    const installed = program && isThisProgram(program) ? version : null;
    const older = describeVersions(entry.status?.version ?? null, installed, label);
    return older === null ? entry : { ...entry, causes: [older, ...causes] };
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    // It may have ended meanwhile.
    return error.kind === "no process" ? service : { ...service, problem: error.message };
  }
}

async function find(label: string, { domains, launchctlOf }: Reach): Promise<{ path: string; domain: Domain } | null> {
  const known = servicesIn(domains).find((service) => service.label === label);
  if (known !== undefined) return known;
  for (const domain of domains) {
    const found = await lookAt(label, domain, launchctlOf(domain));
    if (found.loaded !== null && foreign(found) === null) return { path: found.path, domain };
  }
  return null;
}

function entryOf(label: string, job: Dictionary | null, { loaded, state, problem }: Standing): Entry {
  const { addresses, program } = readJob(job);
  return {
    name: label,
    state: state ?? "not known",
    works: state !== null && exitStatusOf(state) === 0,
    pid: loaded?.pid ?? null,
    addresses: addresses.map(formatAddress),
    program,
    status: null,
    problem,
    lastEnd: loaded?.exit == null ? null : endInWords(loaded.exit),
    log: job && logOf(job),
    causes: [],
    tail: null,
  };
}
