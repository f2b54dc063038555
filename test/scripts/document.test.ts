import { describe, expect, test } from "bun:test";
import { documents } from "../../scripts/document.ts";
import { help } from "../../src/cli.ts";
import { serviceFlags } from "../../src/service/flags.ts";
import { describeFlag, type Flag } from "../../src/settings/flag.ts";
import { options } from "../../src/settings/options.ts";

describe("the tables of settings and flags", () => {
  test.each(Object.entries(documents))("are in %s as options.ts and flags.ts have it", async (path, update) => {
    const text = await Bun.file(path).text();
    expect(update(text)).toBe(text);
  });

  test("are what --help shows", async () => {
    const text = (await help()).replace(/\s+/g, " ");
    for (const option of Object.values<Flag>({ ...options, ...serviceFlags })) {
      expect(text).toContain(`--${option.flag}`);
      expect(text).toContain(describeFlag(option));
      if (option.variable) expect(text).toContain(option.variable);
      // A switch takes no value, and so has no default.
      if (option.value === undefined) expect(text).not.toContain(`${describeFlag(option)} Default:`);
    }
  });
});
