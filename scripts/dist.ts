/**
 * Builds what is released, for every system, on any system:
 *
 *   [RELEASE_URL=https://…] bun scripts/dist.ts
 *
 * puts into dist/ an archive for each system, SHA256SUMS over the archives, and the Homebrew formula that installs
 * them. The formula names the archives below RELEASE_URL, or where they are on this machine if there is none. The
 * archives' bytes depend on the sources and the lock file alone.
 */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Entry, gzip, tar } from "./archive.ts";
import { compile } from "./compile.ts";
import { formula, releaseOf } from "./formula.ts";
import { notices } from "./notices.ts";
import { repository } from "./repository.ts";
import { fetchRuntimes, TARGETS } from "./runtimes.ts";

const NAME = "launch_socket_server";
const OUTDIR = "dist";
const MAN_PAGE = `share/man/man8/${NAME}.8`;
const EXAMPLES = `share/${NAME}/examples`;
const COMPLETIONS = [
  `share/bash-completion/completions/${NAME}`,
  `share/zsh/site-functions/_${NAME}`,
  `share/fish/vendor_completions.d/${NAME}.fish`,
];

type Bytes = Uint8Array<ArrayBuffer>;

async function main(): Promise<void> {
  const { version } = (await Bun.file("package.json").json()) as { version: string };
  const common = await commonEntries(version);
  console.log("Getting the runtimes that bun.lock names");
  const runtimes = await fetchRuntimes();

  await rm(OUTDIR, { recursive: true, force: true });
  await mkdir(OUTDIR, { recursive: true });
  try {
    const sums: string[] = [];
    for (const [i, target] of TARGETS.entries()) {
      process.stdout.write(`[${i + 1}/${TARGETS.length}] ${target}:`);
      const folder = join(OUTDIR, "compiled");
      await compile(target, runtimes[target], join(folder, NAME), progress);
      const program = await Bun.file(join(folder, NAME)).bytes();
      await rm(folder, { recursive: true });
      progress("packing");
      const root = `${NAME}-${version}-${target}`;
      const file = `${root}.tar.gz`;
      const bytes = gzip(tar(layout(root, program, common)));
      await Bun.write(join(OUTDIR, file), bytes);
      sums.push(`${Bun.SHA256.hash(bytes, "hex")}  ${file}\n`);
      console.log(` ${OUTDIR}/${file}, ${(bytes.length / 1e6).toFixed(1)} MB`);
    }
    await Bun.write(join(OUTDIR, "SHA256SUMS"), sums.join(""));
    await Bun.write(join(OUTDIR, `${NAME}.rb`), formulaFor(sums.join("")));
  } catch (error) {
    // Half of a release must not be taken for a whole one.
    process.stdout.write("\n");
    await rm(OUTDIR, { recursive: true, force: true });
    throw error;
  }
  console.log(`Wrote ${OUTDIR}/SHA256SUMS and ${OUTDIR}/${NAME}.rb`);
}

function progress(step: string): void {
  process.stdout.write(` ${step} …`);
}

/** What all archives have in common, by path. @throws Error with a sentence when something of it is missing. */
async function commonEntries(version: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  const add = async (path: string, source: string, mode: number) => {
    const file = Bun.file(source);
    if (!(await file.exists())) throw new Error(`cannot pack a release: ${source} is missing`);
    entries.set(path, { path, mode, content: await file.bytes() });
  };
  await add(`libexec/${NAME}/login_wrapper`, "scripts/login_wrapper", 0o755);
  for (const path of [MAN_PAGE, ...COMPLETIONS, "LICENSE"]) await add(path, path, 0o644);
  const readme = new TextEncoder().encode(linkedToProject(await Bun.file("README.md").text(), version));
  entries.set("README.md", { path: "README.md", mode: 0o644, content: readme });
  const examples = await readdir(EXAMPLES, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const example of examples) {
    // Finder's and editors' hidden files are no part of the sources.
    if (!example.isFile() || example.name.startsWith(".")) continue;
    const path = join(example.parentPath, example.name);
    const executable = ((await stat(path)).mode & 0o100) !== 0;
    await add(path, path, executable ? 0o755 : 0o644);
  }
  entries.set("NOTICES", { path: "NOTICES", mode: 0o644, content: new TextEncoder().encode(await notices()) });
  return entries;
}

/** README's links lead to files that an archive does not have: here they lead to those of the version's tag. */
function linkedToProject(readme: string, version: string): string {
  return readme.replace(/\]\((?!https?:|#)/g, `](${repository}/blob/v${version}/`);
}

/**
 * All entries of one archive, below one folder, in the order of their bytes. Of the folders there are only those that
 * are the program's own: unpacked as root into /usr/local, an entry for share/ would change who owns that.
 */
function layout(root: string, program: Bytes, common: ReadonlyMap<string, Entry>): Entry[] {
  const files: Entry[] = [
    ...common.values(),
    { path: `sbin/${NAME}`, mode: 0o755, content: program },
    // A Mac's PATH has no sbin folder but the system's own (/etc/paths).
    { path: `bin/${NAME}`, mode: 0o777, content: null, link: `../sbin/${NAME}` },
  ];
  const folders: Entry[] = [`libexec/${NAME}`, `share/${NAME}`, EXAMPLES].map((path) => ({
    path,
    mode: 0o755,
    content: null,
  }));
  return [...files, ...folders]
    .map((entry) => ({ ...entry, path: `${root}/${entry.path}` }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/** The formula that installs these archives from RELEASE_URL, or from here. */
function formulaFor(sums: string): string {
  const base = (process.env.RELEASE_URL || Bun.pathToFileURL(OUTDIR).href).replace(/\/+$/, "");
  return formula(releaseOf(sums, () => base));
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  console.error(`launch_socket_server: ${error.message}`);
  process.exit(1);
}
