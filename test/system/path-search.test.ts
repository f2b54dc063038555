import { expect, test } from "bun:test";
import { searchPath } from "../../src/system/path-search.ts";

test("the folders of PATH in their order; empty and relative ones are below the working directory", () => {
  expect(searchPath("web", "/usr/bin::bin:/opt/", "/srv")).toEqual([
    "/usr/bin/web",
    "/srv/web",
    "/srv/bin/web",
    "/opt/web",
  ]);
  expect(searchPath("web", "", "/srv")).toEqual(["/srv/web"]);
});

test("without PATH the system's folders", () => {
  expect(searchPath("web", undefined, "/srv")).toEqual(["/usr/bin/web", "/bin/web", "/usr/sbin/web", "/sbin/web"]);
});
