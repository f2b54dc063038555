/** The messages that the man page and the page about troubles explain are the program's. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Glob } from "bun";

const sources = [...new Glob("src/**/*.ts").scanSync(".")].map((file) => readFileSync(file, "utf8")).join("\n");
const section = (text: string, start: string, end: string) =>
  text.slice(text.indexOf(start), text.indexOf(end, text.indexOf(start)));

const man = readFileSync("share/man/man8/launch_socket_server.8", "utf8");
const explained = [...section(man, ".Sh DIAGNOSTICS", ".Sh SEE ALSO").matchAll(/^\.It (.*)$/gm)].map(
  ([, message = ""]) => message.replaceAll("\\(dq", '"'),
);
const rows = [...readFileSync("docs/troubleshooting.md", "utf8").matchAll(/^\| ([^|]*) \|/gm)].map(
  ([, cell = ""]) => cell,
);
const quoted = rows.flatMap((cell) => [...cell.matchAll(/(`+)(.+?)\1/g)].map(([, , message = ""]) => message));
// What other programs say, and names.
const others = /^(Operation not permitted|EPERM|DYLD_|0\.0\.0\.0)/;

test.each([...new Set([...explained, ...quoted])].filter((message) => !others.test(message)))("%s", (message) => {
  // Without what is another thing each time, and in the parts of which a message is put together.
  const another =
    /^the program |…|\.\.\.|"[^"]*"|`?\bNAME'|\b(?:PATH|ADDRESS)\b|--listen|\bnode\b|[:;()]|\d+|\b(?:at|yet)\b/;
  const fixed = message.split(another).map((part) => part.trim());
  const told = fixed.filter((part) => part.length > 6);
  expect(told).not.toBeEmpty();
  for (const part of told) expect(sources.includes(part) ? part : "").toBe(part);
});
