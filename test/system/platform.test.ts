import { expect, test } from "bun:test";
import { join } from "node:path";
import { Command } from "../support/command.ts";

test("a system that is neither Linux nor macOS gets a sentence, not Linux's constants", async () => {
  const main = JSON.stringify(join(import.meta.dir, "../../src/main.ts"));
  const elsewhere = `Object.defineProperty(process, "platform", { value: "freebsd" }); globalThis.LAUNCHD_LIBRARY = "";`;
  await using command = new Command([process.execPath, "-e", `${elsewhere} await import(${main});`]);
  expect(await command.ended()).toEqual({
    code: 1,
    stdout: "",
    stderr: "launch_socket_server: cannot start: it is made for macOS and Linux, and this is freebsd; run it there\n",
  });
});
