import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Writes a copy of the Bun executable `runtime` to `copy` that reads no environment variable before the program's
 * first line. As it is, Bun takes arguments and scripts to load from variables, files to write, and replacements for
 * functions; a property list may set such variables for the server, and they are none of the daemon's business. There
 * are four readers, and none of them is left:
 *
 * - getenv(3), by which Bun and its libraries ask for each variable by name. The C library's atol(3) is called in its
 *   place: it takes the same argument and returns 0, which is NULL, for every name, since none begins with a digit.
 *   Another name for a variable would be one that somebody can set as well, and an empty one is found by macOS's
 *   getenv in an entry that begins with `=` (__findenv_locked in Apple's Libc, stdlib/FreeBSD/getenv.c).
 * - JavaScriptCore's options: every entry of the environment is compared with `BUN_JSC_`.
 * - mimalloc's options, looked up in the environment when they are first asked for.
 * - A few names that Bun looks up in a table of its own, made of the whole environment. Their first byte becomes NUL,
 *   which no entry can hold; the table compares names by their length and bytes.
 *
 * `process.env` holds the variables as they were; what of Bun asks getenv does not see them (os.homedir and os.tmpdir).
 * The copy is only good for being compiled into a program: no signature fits it any more.
 *
 * @throws Error when one of them is not found where it is expected, as may happen with another version of Bun.
 */
export async function writeDeafRuntime(runtime: string, copy: string): Promise<void> {
  const bytes = Buffer.from(await Bun.file(runtime).arrayBuffer());
  try {
    replaceGetenv(bytes);
    ignoreEngineOptions(bytes);
    ignoreAllocatorOptions(bytes);
    for (const name of lookedUp) blank(bytes, name);
  } catch (error) {
    throw new Error(`${runtime}: ${(error as Error).message}; check what this Bun obeys`);
  }
  await mkdir(dirname(copy), { recursive: true });
  await Bun.write(copy, bytes);
}

/**
 * The names that Bun looks up in its own table: how hard to collect garbage, when to feign that memory is short, and
 * two of which it keeps no empty value.
 */
const lookedUp = [
  "BUN_GARBAGE_COLLECTOR_LEVEL",
  "BUN_FEATURE_FLAG_SYNTHETIC_MEMORY_LIMIT",
  "NODE_TLS_REJECT_UNAUTHORIZED",
  "BUN_CONFIG_VERBOSE_FETCH",
];

/**
 * The name stands among the imported symbols: once in an ELF file (.dynstr), and twice in a Mach-O file, in the
 * chained fixups and in the symbol table. Both functions have the same version in glibc.
 */
function replaceGetenv(bytes: Buffer): void {
  const machO = bytes.readUInt32LE(0) === 0xfeedfacf;
  const prefix = machO ? "\0_" : "\0";
  const places = indexesOf(bytes, `${prefix}getenv\0`);
  if (places.length !== (machO ? 2 : 1)) throw new Error(`imports getenv ${places.length} times`);
  for (const at of places) bytes.write(`${prefix}atol\0\0\0`, at, "latin1");
}

const letters = [..."BUN_JSC_"].map((letter) => letter.charCodeAt(0));
const byte = (value: number) => `\\x${value.toString(16).padStart(2, "0")}`;

/** `cmpb $LETTER, i(%reg)` and `jne` to the next entry, for each letter. */
const comparisonX64 = letters
  .map((letter, i) => `\\x41?\\x80${i === 0 ? "[\\x38-\\x3f]" : `[\\x78-\\x7f]${byte(i)}`}${byte(letter)}\\x75.`)
  .join("");

/** `ldrb wN, [xM, #i]`, `cmp wN, #LETTER` and `b.ne` to the next entry, for each letter. */
const comparisonArm64 = letters
  .map((letter) => {
    const low = [0, 1, 2, 3].map((register) => byte(((letter << 2) & 0xff) | register)).join("");
    return `..[\\x40-\\x7f]\\x39[\\x1f\\x3f\\x5f\\x7f\\x9f\\xbf\\xdf\\xff][${low}]${byte(letter >> 6)}\\x71...\\x54`;
  })
  .join("");

/** Has the comparison with the first letter fail for every entry. */
function ignoreEngineOptions(bytes: Buffer): void {
  const text = bytes.toString("latin1");
  const x64 = [...text.matchAll(new RegExp(comparisonX64, "gs"))];
  const arm64 = [...text.matchAll(new RegExp(comparisonArm64, "gs"))];
  const [found, another] = [...x64, ...arm64];
  if (found === undefined || another !== undefined)
    throw new Error(`compares with BUN_JSC_ in ${x64.length + arm64.length} places that are known`);
  // jne becomes jmp; or the letter becomes one that no byte can be, 0x142.
  if (x64.length > 0) bytes[found.index + found[0].indexOf("\x75")] = 0xeb;
  else bytes[found.index + 6] = 0x05;
}

/**
 * mimalloc's table has a row of 32 bytes for each option: its value (8 bytes), whether the environment has been asked
 * (4 bytes; 0: not yet, 1: yes, and it has nothing), the option's number (4 bytes), and its names (mi_option_desc_t in
 * mimalloc's options.c).
 */
function ignoreAllocatorOptions(bytes: Buffer): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const isRow = (at: number, option: number) => words[at + 2] === 0 && words[at + 3] === option;
  const rowsAt = (at: number) => {
    let rows = 0;
    while (isRow(at + rows * 8, rows)) rows++;
    return rows;
  };
  const tables: { at: number; rows: number }[] = [];
  for (let at = 0; at < words.length; at += 2) {
    if (!isRow(at + 8, 1) || !isRow(at, 0)) continue;
    const rows = rowsAt(at);
    if (rows >= 30) tables.push({ at, rows });
  }
  const [table, another] = tables;
  if (table === undefined || another !== undefined)
    throw new Error(`has ${tables.length} tables of mimalloc's options`);
  for (let row = 0; row < table.rows; row++) words[table.at + row * 8 + 2] = 1;
}

/** Changes a name wherever it is a whole text of its own: in scripts and messages it stands among other characters. */
function blank(bytes: Buffer, name: string): void {
  const places = indexesOf(bytes, name).filter((at) => {
    const around = String.fromCharCode(bytes[at - 1] ?? 0, bytes[at + name.length] ?? 0);
    return /^[\0\w][\0\w[,]$/.test(around);
  });
  if (places.length === 0) throw new Error(`does not have the name ${name}`);
  for (const at of places) bytes[at] = 0;
}

function indexesOf(bytes: Buffer, text: string): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(text, 0, "latin1"); at >= 0; at = bytes.indexOf(text, at + 1, "latin1")) found.push(at);
  return found;
}
