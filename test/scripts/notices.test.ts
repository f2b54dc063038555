import { describe, expect, test } from "bun:test";
import { EMBEDDED_IN_BUN, LINKED_BY_BUN, ON_WINDOWS_ONLY, ORIGINS_OF_BUN } from "../../scripts/components.ts";
import { notices } from "../../scripts/notices.ts";

/** The license page of exactly the Bun that is linked in: bun-types has Bun's version. */
const licensePage = await Bun.file("node_modules/bun-types/docs/project/license.mdx").text();

function chapter(title: string): string {
  return licensePage.split(/^## /m).find((text) => text.startsWith(title)) ?? "";
}

function namesInTable(text: string): string[] {
  return [...text.matchAll(/^\| (?:A fork of |Parts of )?\[`?([^\]`]+)`?\]/gm)].map(([, name]) => name ?? "");
}

describe("the table of components", () => {
  test("has every library that this Bun's license page lists, and no other", () => {
    const listed = namesInTable(chapter("Linked libraries"));
    expect(listed.length).toBeGreaterThan(20);
    const ours = [...LINKED_BY_BUN.map(({ name }) => name), ...ON_WINDOWS_ONLY].filter((name) => name !== "WebKit");
    expect([...ours].sort()).toEqual([...listed].sort());
    expect(chapter("JavaScriptCore")).toContain("WebKit");
  });

  test("has every package that this Bun embeds", () => {
    expect([...EMBEDDED_IN_BUN]).toEqual(namesInTable(chapter("Polyfills")));
    expect(chapter("Polyfills").match(/\| MIT /g)?.length).toBe(EMBEDDED_IN_BUN.length);
  });

  test("has what this Bun's own code is derived from", () => {
    for (const { source } of ORIGINS_OF_BUN) expect(chapter("Additional credits")).toContain(source);
  });
});

describe("notices", () => {
  test("name every package that is bundled, with its license", async () => {
    const text = await notices();
    for (const name of ["citty", "consola", "plist", "xmlbuilder", "@xmldom/xmldom"]) {
      const license = await Bun.file(`node_modules/${name}/LICENSE`).text();
      expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ `, "m"));
      expect(text).toContain(license.trim());
    }
    for (const name of ["typescript", "fast-check"]) expect(text).not.toContain(`${name} `);
  });

  test("name every component, and contain every license text that it needs", async () => {
    const text = await notices();
    for (const { name, source, license, texts } of [...LINKED_BY_BUN, ...ORIGINS_OF_BUN]) {
      expect(text).toContain(`${name}\n  Source: ${source}\n  License: ${license}\n`);
      for (const needed of texts) {
        const full = await Bun.file(`scripts/licenses/${needed}.txt`).text();
        expect(full.length).toBeGreaterThan(500);
        expect(text).toContain(full.replace(/^\n+/, "").trimEnd());
      }
    }
  });

  test("say how the LGPL's right to relink is exercised, with this Bun's version and commands that exist", async () => {
    const text = await notices();
    const { devDependencies } = (await Bun.file("package.json").json()) as { devDependencies: { bun: string } };
    expect(text).toContain(`tag bun-v${devDependencies.bun}`);
    expect(text).toContain("bun scripts/build.ts --runtime");
    expect(await Bun.file("scripts/build.ts").text()).toContain("runtime: { type:");
  });
});
