import { describe, expect, test } from "bun:test";
import { documents } from "../../scripts/document.ts";
import { help } from "../../src/cli.ts";
import { options } from "../../src/options.ts";

describe("the table of settings", () => {
  for (const [path, update] of Object.entries(documents)) {
    test(`stands in ${path} as options.ts has it`, async () => {
      const text = await Bun.file(path).text();
      expect(update(text)).toBe(text);
    });
  }

  test("is what --help shows", async () => {
    const text = (await help()).replace(/\s+/g, " ");
    for (const option of Object.values<{ flag: string; variable?: string; help: string }>(options)) {
      expect(text).toContain(`--${option.flag}`);
      expect(text).toContain(option.help);
      if (option.variable) expect(text).toContain(option.variable);
    }
  });
});
