import type { Settings } from "../settings/options.ts";

/** The names that launchd will be asked for, exactly these; null where the first of the usual names does. */
export function socketNames({ route, socketName }: Settings): string[] | null {
  if (route.length > 0) return route.map(({ name }) => name);
  return socketName.length > 0 ? socketName : null;
}
