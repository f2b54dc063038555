/**
 * The text of NOTICES: what a released program contains besides our own code, under which licenses, and how to
 * exercise the right that the LGPL gives to whoever receives it.
 */
import { type Component, EMBEDDED_IN_BUN, LINKED_BY_BUN, ORIGINS_OF_BUN } from "./components.ts";

const RULE = "-".repeat(78);

/**
 * Returns the text. The packages of our own are found by following `dependencies` from package.json through
 * node_modules, and come with the license files that they bring.
 *
 * @throws Error with a sentence when a package brings no license file.
 */
export async function notices(): Promise<string> {
  const { name, version, devDependencies } = await readPackage("package.json");
  const bun = devDependencies?.bun ?? "";
  const packages = await collectPackages("package.json");
  const licenses = [...new Set([...LINKED_BY_BUN, ...ORIGINS_OF_BUN].flatMap(({ texts }) => texts))].sort();
  const texts = await Promise.all(
    licenses.map(async (license) => section(license, await Bun.file(`scripts/licenses/${license}.txt`).text())),
  );
  return [
    `${name} ${version} is MIT-licensed; see LICENSE. The program in this archive also contains
what is listed here: JavaScript packages, and the JavaScript runtime Bun ${bun} with the libraries
linked into it. The texts of the licenses follow at the end.
`,
    section("JavaScript packages", packages.join(`\n${RULE}\n\n`)),
    section(
      `Bun ${bun}`,
      `Source: https://github.com/oven-sh/bun (tag bun-v${bun})
License: MIT
Copyright: Oven and the contributors to Bun

Bun embeds these npm packages, all of them MIT-licensed:

${wrap(EMBEDDED_IN_BUN.join(", "), "  ")}

Parts of Bun are derived from:

${ORIGINS_OF_BUN.map(describe).join("\n")}`,
    ),
    section("JavaScriptCore and TinyCC: your rights under the LGPL", relinking(bun)),
    section("Libraries linked into Bun", LINKED_BY_BUN.map(describe).join("\n")),
    ...texts,
  ].join("\n");
}

function relinking(bun: string): string {
  return `This program uses JavaScriptCore, a part of WebKit, which is covered by the GNU Library
General Public License, version 2, and TinyCC, which is covered by the GNU Lesser General Public
License, version 2.1. Both are linked statically, through Bun. You may change them and use this
program with your changed versions, and you may reverse-engineer it for debugging such changes:

1. Get the source of Bun ${bun} (https://github.com/oven-sh/bun, tag bun-v${bun}). Its build scripts
   name the exact versions of WebKit (https://github.com/oven-sh/WebKit) and TinyCC that it uses.
2. Change what you want to change, and build Bun as its documentation describes
   (https://bun.com/docs/project/contributing).
3. In a checkout of this program's source, which is complete and MIT-licensed, run
   \`make\` once, and then build the program around your Bun (for a Mac, this signs it too):
   bun scripts/build.ts --runtime PATH/TO/YOUR/BUN --outfile sbin/launch_socket_server
`;
}

function describe({ name, source, license, copyright }: Component): string {
  return `${name}\n  Source: ${source}\n  License: ${license}\n${wrap(`Copyright: ${copyright}`, "  ")}\n`;
}

function section(title: string, text: string): string {
  return `${"=".repeat(78)}\n${title}\n${"=".repeat(78)}\n\n${text.replace(/^\n+/, "").trimEnd()}\n`;
}

function wrap(text: string, indent: string): string {
  const lines = [indent];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line.length + word.length > 90) lines.push(`${indent}${word} `);
    else lines[lines.length - 1] = `${line}${word} `;
  }
  return lines.map((line) => line.trimEnd()).join("\n");
}

interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
}

async function readPackage(path: string): Promise<PackageJson> {
  return (await Bun.file(path).json()) as PackageJson;
}

async function collectPackages(root: string): Promise<string[]> {
  const found = new Map<string, string>();
  const waiting = Object.keys((await readPackage(root)).dependencies ?? {});
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue;
    const folder = `node_modules/${name}`;
    const { version, dependencies } = await readPackage(`${folder}/package.json`);
    const license = Bun.file(`${folder}/LICENSE`);
    if (!(await license.exists())) throw new Error(`cannot write NOTICES: ${folder} brings no LICENSE file`);
    found.set(name, `${name} ${version} (npm package)\n\n${(await license.text()).trim()}\n`);
    waiting.push(...Object.keys(dependencies ?? {}));
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
}
