import type { Exit } from "./launchctl.ts";

/** How a service's last run ended, in a few words. */
export function endInWords(exit: Exit | null): string {
  if (exit === null) return "has not ended yet";
  switch (exit.kind) {
    case "status":
      if (exit.status === 0) return "ended normally";
      return exit.name === "EX_CONFIG" ? "could not be started" : `ended with status ${exit.status}`;
    case "signal":
      if (exit.signal === 15) return "was asked to end (SIGTERM)";
      return exit.signal === 9 ? "was killed (SIGKILL)" : `crashed (${exit.name}${numbered(exit.signal)})`;
    case "reason":
      return `was ended by macOS (${exit.reason})`;
  }
}

/** Why it ended like that, as a sentence without its full stop; null where the exit says nothing of it. */
export function explainEnd(exit: Exit | null): string | null {
  if (exit === null) return null;
  switch (exit.kind) {
    case "status":
      if (exit.status === 0) return null;
      // Also where a log or the working folder cannot be opened, which xpcproxy does (rundesk-ai/rundesk-cli, macOS 26.5).
      return exit.name === "EX_CONFIG"
        ? "launchd could not start it (78: EX_CONFIG): its program, working folder or log is missing, or out of its user's reach"
        : `it ended with status ${exit.status}`;
    case "signal":
      if (exit.signal === 15) return null;
      return exit.signal === 9
        ? "it was killed (SIGKILL): by hand, for lack of memory, or because it did not end in time after SIGTERM"
        : `it crashed (${exit.name}${numbered(exit.signal)}); Console, Crash Reports, has the report`;
    case "reason":
      return `macOS ended it (${exit.reason})${advice(exit.reason)}`;
  }
}

function numbered(signal: number | null): string {
  return signal === null ? "" : `: ${signal}`;
}

/** The reasons that public reports name with their cause; any other stands for itself. */
function advice(reason: string): string {
  if (reason === "OS_REASON_CODESIGNING")
    return ": its code signature is not valid; install launch_socket_server again";
  if (reason === "OS_REASON_DYLD") return ": a library that it needs is missing";
  if (reason === "OS_REASON_TCC") return ": it used something that its user has not allowed";
  return reason.startsWith("JETSAM_REASON_MEMORY") ? ": memory was short" : "";
}
