import { own } from "../check/inspection.ts";
import { type Dictionary, isDictionary, type PlistValue } from "../plist/value.ts";

/** What the new property list changes, a line for each value: `- KEY: …` goes, `+ KEY: …` comes. None where they say the same. */
export function differences(before: Dictionary, after: Dictionary): string[] {
  const [old, fresh] = [new Map(leaves(before)), new Map(leaves(after))];
  const keys = [...new Set([...old.keys(), ...fresh.keys()])];
  return keys.flatMap((key) => {
    const [was, is] = [old.get(key), fresh.get(key)];
    if (was === is) return [];
    return [...(was === undefined ? [] : [`- ${key}: ${was}`]), ...(is === undefined ? [] : [`+ ${key}: ${is}`])];
  });
}

/** The keys of the old property list that the new one does not have. */
export function lostKeys(before: Dictionary, after: Dictionary): string[] {
  return Object.keys(before).filter((key) => own(after, key) === undefined);
}

/** Every value that is none of a dictionary or array, by its path in the form of the findings: `Sockets.Socket[0].SockServiceName`. */
function leaves(value: PlistValue, path = ""): [path: string, text: string][] {
  if (isDictionary(value)) {
    return Object.entries<PlistValue>(value).flatMap(([key, part]) =>
      leaves(part, path === "" ? key : `${path}.${key}`),
    );
  }
  if (Array.isArray(value)) return value.flatMap((part: PlistValue, index) => leaves(part, `${path}[${index}]`));
  return [[path, typeof value === "string" ? value : String(value)]];
}
