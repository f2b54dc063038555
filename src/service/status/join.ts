import type { Entry } from "./entry.ts";

/** Both as one list: a daemon of a service is that service's, with its own account; those without a service follow. */
export function join(services: Entry[], daemons: Entry[]): Entry[] {
  const pids = new Set(services.flatMap(({ pid }) => pid ?? []));
  return [
    ...services.map((service) =>
      joinOne(
        service,
        daemons.find(({ pid }) => pid !== null && pid === service.pid),
      ),
    ),
    ...daemons.filter(({ pid }) => pid === null || !pids.has(pid)),
  ];
}

/** A service with the account of its daemon. */
export function joinOne(service: Entry, daemon: Entry | undefined): Entry {
  if (daemon === undefined) return service;
  const { status, problem, program } = daemon;
  const { state, works } = service.works && !daemon.works ? daemon : service;
  // One that ends again and again is no riddle that its figures would solve.
  const reason = service.works ? problem : null;
  return { ...service, state, works, status, problem: reason, program: program ?? service.program };
}
