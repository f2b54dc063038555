import { ask } from "../tool.ts";

/**
 * Whether somebody has switched the service's file off in System Settings, Login Items & Extensions, Allow in the Background. Only
 * root can ask (sfltool(1) wants a password of others): false where it does not say.
 */
export async function isSwitchedOff(path: string, sfltool: string): Promise<boolean> {
  return readSwitchedOff((await ask(sfltool, "dumpbtm")) ?? "").includes(path);
}

/**
 * The property lists that `sfltool dumpbtm` calls disallowed: `Disposition: [enabled, disallowed, visible, notified] (0x9)`, followed by
 * `URL: file:///Library/LaunchDaemons/LABEL.plist` (public dumps of macOS 13 to 26: StaffPad's authservice, AdskAccessServiceHost).
 */
export function readSwitchedOff(text: string): string[] {
  const paths: string[] = [];
  let disallowed = false;
  for (const line of text.split(/\r?\n/)) {
    const [, key, value = ""] = line.match(/^\s*(UUID|Disposition|URL): (.*)$/) ?? [];
    if (key === "UUID") disallowed = false;
    if (key === "Disposition") disallowed = /[[ ]disallowed[,\]]/.test(value);
    if (key === "URL" && disallowed && value.startsWith("file://")) paths.push(pathOf(value));
  }
  return paths;
}

function pathOf(url: string): string {
  try {
    return decodeURIComponent(url.replace(/^file:\/\//, ""));
  } catch {
    return url;
  }
}
