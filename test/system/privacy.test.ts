import { expect, test } from "bun:test";
import { explainProtection, protectedFolder } from "../../src/system/privacy.ts";

test.each([
  ["/Users/sam/Documents", "/Users/sam/Documents"],
  ["/Users/sam/Desktop/web/server.mjs", "/Users/sam/Desktop"],
  ["/Users/sam/Downloads/a", "/Users/sam/Downloads"],
  ["/Users/sam/Library/Mobile Documents/com~apple~CloudDocs/a", "/Users/sam/Library/Mobile Documents"],
  ["/Users/sam/Library/CloudStorage/a", "/Users/sam/Library/CloudStorage"],
  ["/Users/sam/Documents.old/a", null],
  ["/Users/sam/Library/Logs/a", null],
  ["/srv/Users/sam/Documents", null],
  ["/Users/sam/documents/a", "/Users/sam/documents"],
  ["/Users/sam/Sites/Documents", null],
  ["/Users/sam", null],
  ["/Users", null],
])("%s lies in %p", (path, folder) => {
  expect(protectedFolder(path)).toBe(folder);
});

test("is looked for where the homes are", () => {
  expect(protectedFolder("/root/Users/sam/Desktop/a", "/root/Users")).toBe("/root/Users/sam/Desktop");
  expect(protectedFolder("/Users/sam/Desktop/a", "/root/Users")).toBeNull();
});

test("is explained with what to do", () => {
  expect(explainProtection("/Users/sam/Desktop/a")).toBe(
    "macOS keeps background jobs out of /Users/sam/Desktop, where /Users/sam/Desktop/a is; move it elsewhere, or give the job Full Disk Access",
  );
});
