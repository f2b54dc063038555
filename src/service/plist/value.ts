import type { PlistValue } from "plist";

export type { PlistValue };

/** A dictionary of a property list. */
export type Dictionary = { [key: string]: PlistValue };

export function isDictionary(value: PlistValue | undefined): value is Dictionary {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !ArrayBuffer.isView(value)
  );
}
