import type { PlistValue } from "plist";

export type { PlistValue };

/** A dictionary of a property list. */
export type Dictionary = { [key: string]: PlistValue };

/** The keys that a dictionary has more than once, for each that has some: readers differ in which value counts. */
export type Duplicates = Map<Dictionary, string[]>;

/** How deep values may lie in one another; a job needs five. Those that read a value go as deep. */
export const maxDepth = 128;

/** A dictionary of these entries, the last of equal keys; adds to `duplicates`. */
export function toDictionary(entries: [string, PlistValue][], duplicates: Duplicates): Dictionary {
  const dictionary: Dictionary = Object.fromEntries(entries);
  if (Object.keys(dictionary).length < entries.length) {
    const once = new Set<string>();
    const twice = entries.filter(([key]) => once.has(key) || !once.add(key)).map(([key]) => key);
    duplicates.set(dictionary, [...new Set(twice)]);
  }
  return dictionary;
}

export function isDictionary(value: PlistValue | undefined): value is Dictionary {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !ArrayBuffer.isView(value)
  );
}
