import fc, { type IAsyncProperty, type IProperty } from "fast-check";
import { seed } from "./seed.ts";

/**
 * Checks a property with `runs` random values (fast-check), or as many as RUNS says. The seed is printed, and on failure
 * the smallest failing value.
 */
export function check<Values>(property: IProperty<Values>, runs = 200): void {
  fc.assert(property, parameters(runs));
}

/** The same for a property that is a promise. What is left undone after `timeLimit` milliseconds is left out. */
export async function checkAsync<Values>(
  property: IAsyncProperty<Values>,
  runs = 50,
  timeLimit?: number,
): Promise<void> {
  await fc.assert(property, {
    ...parameters(runs),
    ...(timeLimit === undefined ? {} : { interruptAfterTimeLimit: timeLimit }),
  });
}

function parameters(runs: number) {
  return { seed, numRuns: Number(process.env.RUNS ?? runs), includeErrorInReport: true };
}

/** Text as people and attackers write it: any Unicode, control characters, half surrogates, and pieces of what parsers look for. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
  fc
    .array(
      fc.constantFrom(
        ..."[]:%/.-_ \n\0=0129afms@\u202e",
        "--",
        "::",
        "localhost",
        "65536",
        "http",
        "500ms",
        "__proto__",
      ),
    )
    .map((pieces) => pieces.join("")),
);
