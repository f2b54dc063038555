import { type Duplicates, isDictionary, type PlistValue } from "../plist/value.ts";
import type { Inspection } from "./inspection.ts";

/** What launchd reads: launchd.plist(5), and the LAUNCH_JOBKEY_… of launchd-842's liblaunch/launch.h and launch_priv.h. */
const read = words(`
  AbandonProcessGroup AssociatedBundleIdentifiers BundleProgram Debug Disabled EnableGlobbing EnablePressuredExit
  EnableTransactions EnvironmentVariables ExitTimeOut GroupName HardResourceLimits HopefullyExitsFirst HopefullyExitsLast
  InitGroups KeepAlive Label LaunchEvents LaunchOnlyOnce LegacyTimers LimitLoadFromHardware LimitLoadFromHosts
  LimitLoadToHardware LimitLoadToHosts LimitLoadToSessionType LowPriorityBackgroundIO LowPriorityIO
  MachServiceLookupPolicies MachServices MaterializeDatalessFiles Nice OnDemand POSIXSpawnType ProcessType Program
  ProgramArguments QueueDirectories RootDirectory RunAtLoad SandboxProfile ServiceIPC SessionCreate Sockets
  SoftResourceLimits SpawnConstraint StandardErrorPath StandardInPath StandardOutPath StartCalendarInterval StartInterval
  StartOnMount ThrottleInterval TimeOut Umask UserEnvironmentVariables UserName WaitForDebugger WatchPaths
  WorkingDirectory inetdCompatibility
`);

/** What it reads of an entry under Sockets. */
const readOfSockets = words(`
  Bonjour MulticastGroup ReceivePacketInfo SecureSocketWithKey SockFamily SockNodeName SockPassive SockPathGroup
  SockPathMode SockPathName SockPathOwner SockProtocol SockServiceName SockType
`);

/** Keys that a dictionary has more than once: who checks the plist may see another value than launchd obeys. */
export function checkDuplicates(inspection: Inspection, duplicates: Duplicates): void {
  if (duplicates.size === 0) return;
  // A value of the binary form may lie in many places: it is told of in the first.
  const seen = new Set<PlistValue>();
  const look = (value: PlistValue, keys: string[], name: string): void => {
    if (!(Array.isArray(value) || isDictionary(value)) || seen.has(value)) return;
    seen.add(value);
    if (Array.isArray(value)) {
      for (const [index, element] of value.entries()) look(element, keys, `${name}[${index}]`);
      return;
    }
    const nameOf = (key: string) => (name === "" ? key : `${name}.${key}`);
    for (const key of duplicates.get(value) ?? []) {
      const why = "the key is there more than once, and readers differ in which value counts";
      const path = [...keys, key];
      if (isRead(path)) inspection.error(nameOf(key), why, "leave all but one out");
      else inspection.note(nameOf(key), why, "leave all but one out");
    }
    for (const [key, content] of Object.entries<PlistValue>(value)) look(content, [...keys, key], nameOf(key));
  };
  look(inspection.job, [], "");
}

/** Whether launchd, or this program, makes something of the value at this path of keys. */
function isRead([first = "", ...rest]: string[]): boolean {
  if (!read.has(first)) return false;
  return first !== "Sockets" || rest[1] === undefined || readOfSockets.has(rest[1]);
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}
