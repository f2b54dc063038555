import type { Status } from "../../../src/control/protocol.ts";
import { entryOf } from "../../../src/service/status/daemons.ts";
import type { Entry } from "../../../src/service/status/entry.ts";

/** A daemon's account; `differing` takes the place of what is usual. */
export function account(differing: Partial<Status> = {}): Status {
  return {
    version: "3.0.0",
    pid: 4711,
    label: "com.example.web",
    unit: null,
    since: "2026-01-02T03:04:05.000Z",
    addresses: [{ listen: "127.0.0.1:80", target: "/tmp/web.sock" }],
    programs: [
      { pid: 4712, command: ["node", "web.js"], since: "2026-01-02T03:04:06.000Z", state: "running", connections: 2 },
    ],
    connections: { now: 2, waiting: 0, capacity: 100, atCapacity: false, total: 7 },
    bytes: { up: 1_000, down: 2_000_000 },
    waitingFor: null,
    lastFailure: null,
    reload: null,
    ...differing,
  };
}

/** Its entry. */
export function entry(differing: Partial<Entry> = {}, ofAccount: Partial<Status> = {}): Entry {
  return { ...entryOf(account(ofAccount)), ...differing };
}
