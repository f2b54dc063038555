/** The commands of README, docs and the man page, as they stand there. */
import { readFileSync } from "node:fs";
import { Glob } from "bun";

export const manPage = "share/man/man8/launch_socket_server.8";

/** README and all of docs, by path. */
export const pages = ["README.md", ...new Glob("docs/**/*.md").scanSync(".")].sort();

/** What stands between fences, with the word after the first: `sh`, `text`, `xml`, `ini`. */
export interface Block {
  language: string;
  text: string;
}

/** The fenced blocks of a page; of the man page its displays that begin with a prompt, as `sh`. */
export function blocksOf(page: string): Block[] {
  const text = readFileSync(page, "utf8");
  if (page === manPage) {
    const displays = [...text.matchAll(/^\.Bd -literal.*\n((?:\$ )[\s\S]*?)^\.Ed$/gm)];
    return displays.map(([, display = ""]) => ({
      language: "sh",
      text: display.replace(/^\$ /gm, "").replaceAll("\\e", "\\"),
    }));
  }
  return [...text.matchAll(/^( *)```(\w*)\n([\s\S]*?)^\1```$/gm)].map(([, indent = "", language = "", block = ""]) => ({
    language,
    text: block.replace(new RegExp(`^${indent}`, "gm"), ""),
  }));
}

/** The commands of a block: lines, with those after a backslash or inside a here-document; comments are left out. */
export function commandsOf({ text }: Block): string[] {
  const commands: string[] = [];
  let end: string | undefined;
  let open = false;
  for (const line of text.split("\n")) {
    if (open) commands[commands.length - 1] += `\n${line}`;
    else if (line.trim() !== "" && !line.startsWith("#")) commands.push(line);
    if (end !== undefined && line === end) end = undefined;
    else end ??= line.match(/<<'(\w+)'/)?.[1];
    open = end !== undefined || line.endsWith("\\");
  }
  return commands;
}
