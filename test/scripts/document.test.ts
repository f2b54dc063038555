import { describe, expect, test } from "bun:test";
import { documents } from "../../scripts/document.ts";
import { help } from "../../src/cli.ts";
import { serviceFlags } from "../../src/service/flags.ts";
import { options } from "../../src/settings/options.ts";

describe("the tables of settings and flags", () => {
  test.each(Object.entries(documents))("are in %s as options.ts and flags.ts have it", async (path, update) => {
    const text = await Bun.file(path).text();
    expect(update(text)).toBe(text);
  });

  test("are what --help shows", async () => {
    const text = (await help()).replace(/\s+/g, " ");
    for (const option of Object.values<{ flag: string; variable?: string; help: string }>({
      ...options,
      ...serviceFlags,
    })) {
      expect(text).toContain(`--${option.flag}`);
      expect(text).toContain(option.help);
      if (option.variable) expect(text).toContain(option.variable);
    }
  });
});
