import fc, { type IAsyncProperty, type IProperty } from "fast-check";

/** Set SEED to repeat a run. */
const seed = Number(process.env.SEED ?? crypto.getRandomValues(new Int32Array(1))[0]);
console.log(`SEED=${seed}`);

/** Checks a property with random values (fast-check); the seed is printed, and the smallest failing value on failure. */
export function check<Values>(property: IProperty<Values>, runs = 200): void {
  fc.assert(property, { seed, numRuns: runs });
}

/** The same for a property that is a promise. */
export async function checkAsync<Values>(property: IAsyncProperty<Values>, runs = 50): Promise<void> {
  await fc.assert(property, { seed, numRuns: runs });
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
