import { ask } from "../tool.ts";

/** For how many seconds a process has run; null where ps(1) does not say. */
export async function uptimeOf(pid: number): Promise<number | null> {
  return readElapsed((await ask("/bin/ps", "-o", "etime=", "-p", String(pid))) ?? "");
}

/** Reads `[[days-]hours:]minutes:seconds` (POSIX, ps). */
export function readElapsed(text: string): number | null {
  const match = text.trim().match(/^(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)$/);
  if (match === null) return null;
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return (((days ?? 0) * 24 + (hours ?? 0)) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0);
}
