/**
 * Writes .tar.gz archives whose bytes depend on nothing but their content: the order of the entries is the
 * caller's, everybody owns them (user and group 0), and all times are the same. `Bun.Archive` cannot do this: it
 * has no permissions, so that no program in it could be run.
 */

/** A file, or a folder or link where `content` is null. `path` has no slash at its end. */
export interface Entry {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly content: Uint8Array<ArrayBuffer> | null;
  /** Where a symbolic link leads, in at most 100 bytes. */
  readonly link?: string;
}

const BLOCK = 512;
/** 2000-01-01, since a time has to be there and the time of a build says nothing about the content. */
const MODIFIED = 946_684_800;

/**
 * Returns a POSIX "ustar" archive (POSIX.1-2024, pax, "ustar Interchange Format").
 *
 * @throws RangeError for a path that the format has no room for: over 100 bytes, or 255 with a suitable slash.
 */
export function tar(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [];
  for (const entry of entries) {
    blocks.push(header(entry));
    if (entry.content === null) continue;
    blocks.push(entry.content, new Uint8Array(padding(entry.content.length, BLOCK)));
  }
  // Two empty blocks are the end; tar programs write whole records of 20 blocks.
  const length = blocks.reduce((sum, block) => sum + block.length, 2 * BLOCK);
  blocks.push(new Uint8Array(2 * BLOCK + padding(length, 20 * BLOCK)));
  return Buffer.concat(blocks);
}

/**
 * Compresses with libdeflate: its output was compared between x64 and arm64, and it writes neither time nor name into
 * the header. (zlib-ng chooses its matching code by what the processor can do, and promises nothing.)
 */
export function gzip(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  // Bun 1.4.5 compresses 100 MB in about 1.5 s at level 9; the slower levels save 2 %.
  return Bun.gzipSync(bytes, { library: "libdeflate", level: 9 });
}

function header({ path, mode, content, link }: Entry): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const text = (value: string, offset: number) => block.set(new TextEncoder().encode(value), offset);
  const octal = (value: number, offset: number, size: number) =>
    text(value.toString(8).padStart(size - 1, "0"), offset);
  const { prefix, name } = split(content === null && link === undefined ? `${path}/` : path);
  text(name, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(content?.length ?? 0, 124, 12);
  octal(MODIFIED, 136, 12);
  text(link !== undefined ? "2" : content === null ? "5" : "0", 156);
  text(link ?? "", 157);
  text("ustar\x0000", 257);
  octal(0, 329, 8);
  octal(0, 337, 8);
  text(prefix, 345);
  // The checksum counts its own field as spaces.
  text(" ".repeat(8), 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  text(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function split(path: string): { prefix: string; name: string } {
  const length = (value: string) => new TextEncoder().encode(value).length;
  if (length(path) <= 100) return { prefix: "", name: path };
  for (let slash = path.indexOf("/"); slash > 0 && slash < path.length - 1; slash = path.indexOf("/", slash + 1)) {
    const prefix = path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (length(prefix) <= 155 && length(name) <= 100) return { prefix, name };
  }
  throw new RangeError(`the path is too long for a tar archive: ${path}`);
}

function padding(length: number, multiple: number): number {
  return (multiple - (length % multiple)) % multiple;
}
