import type { Outcome } from "./launchctl.ts";

/**
 * What to do where launchd loads no job, by the exit status of `launchctl bootstrap`; the words of the statuses from 100 on are those
 * of `launchctl error STATUS`. 5 stands for nearly everything (openclaw/openclaw#136453).
 */
const ways: Record<number, string> = {
  5: "it says no more: try again in a few seconds; if it stays, launchctl print-disabled shows whether somebody has disabled it",
  119: "somebody has disabled it: launchctl enable undoes that",
  122: "the property list or its folder may be written by others: sudo chown root:wheel and chmod 644",
  125: "an agent is loaded while its user is logged in at the Mac's screen: log in there, or install a daemon by sudo",
};

/** The sentence's part for a job that launchd has refused. */
export function explainRefusal({ status, text }: Outcome): string {
  const way = ways[status];
  const words = text || `launchctl bootstrap: exit status ${status}`;
  return `launchd does not load it (${words})${way === undefined ? "" : `, and ${way}`}`;
}
