import { version } from "../package.json";
import { formatAddress } from "./address.ts";
import type { FailureLog } from "./control/failures.ts";
import type { ProgramStatus, Status } from "./control/protocol.ts";
import type { Copies } from "./copies.ts";
import type { Copy } from "./copy.ts";
import type { Relay } from "./proxy/relay.ts";

/** What a daemon's account of itself is taken from. */
export interface StatusSources {
  /** Its names at launchd and systemd, and when it started. */
  identity: Pick<Status, "label" | "unit" | "since">;
  relay: Relay;
  failures: FailureLog;
  copies: Copies;
}

/** The account of this moment. */
export function statusNow({ identity, relay, failures, copies }: StatusSources): Status {
  const { now, waiting, total, up, down, outage } = relay.figures;
  const { last } = failures;
  const capacity = relay.limits.maxConnections;
  return {
    version,
    pid: process.pid,
    ...identity,
    addresses: relay.routes.flatMap(({ sockets, target }) =>
      sockets.map(({ address }) => ({ listen: formatAddress(address), target: formatAddress(target.address) })),
    ),
    programs: [copies.serving, copies.other].flatMap((copy) => (copy === null ? [] : statusOf(copy, copies, relay))),
    connections: { now, waiting, capacity, atCapacity: now >= capacity, total },
    bytes: { up, down },
    waitingFor: outage === null ? null : `the program, which ${outage}`,
    lastFailure: last === null ? null : { at: last.at.toISOString(), reason: last.reason },
    reload: copies.reloading,
  };
}

/** None for a copy without a program. */
function statusOf(copy: Copy, copies: Copies, relay: Relay): ProgramStatus[] {
  if (copy.program === null) return [];
  const { command, since, process } = copy.program;
  const waiting = copy === copies.serving ? relay.figures.waiting : 0;
  const connections = relay.connectionsTo(copy.targets).length + waiting;
  return [{ pid: process.pid, command, since: since.toISOString(), state: stateOf(copy, copies, relay), connections }];
}

function stateOf(copy: Copy, { serving, reloading }: Copies, { figures, reached }: Relay): ProgramStatus["state"] {
  if (copy.program?.stopping) return "stopping";
  if (copy !== serving) return reloading?.phase === "starting" ? "starting" : "draining";
  return figures.waiting > 0 && !reached ? "starting" : "running";
}
