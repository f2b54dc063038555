import type { Caller } from "../caller/caller.ts";
import { type Domain, domainsOf, launchctl } from "./domain.ts";
import { Launchctl } from "./launchctl.ts";

/** Where a caller looks for services, and what asks launchd for each domain. */
export interface Reach {
  uid: number;
  domains: Domain[];
  launchctlOf(domain: Domain): Launchctl;
}

/** Null where there is no launchd. */
export function reachOf(caller: Caller): Reach | null {
  if (!caller.jobsRunHere) return null;
  return {
    uid: caller.uid,
    domains: domainsOf(caller),
    launchctlOf: ({ name }) => new Launchctl(launchctl, name),
  };
}
