/** Which rooms may know which: nothing imports in a circle, and the three wings do not import each other. */
import { describe, expect, test } from "bun:test";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";

const root = join(import.meta.dir, "..");

/** The project's own modules that each module imports, types included; paths from the top of the checkout. */
async function importsBelow(...folders: string[]): Promise<Map<string, string[]>> {
  const graph = new Map<string, string[]>();
  for (const folder of folders) {
    for await (const path of new Glob(`${folder}/**/*.ts`).scan(root)) {
      const text = await Bun.file(join(root, path)).text();
      // Bun's own scanner leaves out imports of types.
      const found = text.matchAll(/^(?:import|export)\s(?:[^"';]*\sfrom\s+)?"(\.[^"]+)"/gm);
      graph.set(
        path,
        [...found].map(([, specifier = ""]) => normalize(join(dirname(path), specifier))),
      );
    }
  }
  return graph;
}

/** A way along the imports that comes back to where it began, or null. */
function circleIn(graph: Map<string, string[]>): string[] | null {
  const done = new Set<string>();
  const walk = (path: string, way: string[]): string[] | null => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return null;
    for (const next of graph.get(path) ?? []) {
      const circle = walk(next, [...way, path]);
      if (circle !== null) return circle;
    }
    done.add(path);
    return null;
  };
  for (const path of graph.keys()) {
    const circle = walk(path, []);
    if (circle !== null) return circle;
  }
  return null;
}

test("a circle is found, and a way that only meets itself again is none", () => {
  const entries = (text: string) => new Map(text.split(" ").map((line) => [line[0] ?? "", [...line.slice(2)]]));
  expect(circleIn(entries("a:bc b:d c:d d:"))).toBeNull();
  expect(circleIn(entries("a:b b:c c:db d:"))).toEqual(["b", "c", "b"]);
});

test("nothing in src and scripts imports in a circle", async () => {
  const graph = await importsBelow("src", "scripts");
  expect(graph.get("src/main.ts")).toContain("src/launcher.ts");
  expect(circleIn(graph)).toBeNull();
});

describe("the wings do not know each other", async () => {
  const wings = ["activation", "program", "proxy"];
  const graph = await importsBelow("src");
  test.each(wings)("%s", (wing) => {
    const others = wings.filter((other) => other !== wing);
    const foreign = [...graph].flatMap(([path, imports]) =>
      path.startsWith(`src/${wing}/`)
        ? imports
            .filter((path) => others.some((other) => path.startsWith(`src/${other}/`)))
            .map((to) => `${path}: ${to}`)
        : [],
    );
    expect(foreign).toEqual([]);
  });
});
