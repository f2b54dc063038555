/**
 * Mach-O executables for tests: a tiny one made here, with a partial last page as real ones have, and real ones.
 */
import { join } from "node:path";
import { fetchRuntimes, type Target } from "../../scripts/runtimes.ts";

export const CODE_LIMIT = 0x4230;
/** Where the tiny executable's load commands start. */
export const TINY = { linkedit: 32 + 72, symtab: 32 + 144, signature: 32 + 144 + 24 } as const;

/** An unsigned executable: __TEXT, __LINKEDIT with a symbol table, and 64 bytes of room for a signature. */
export function tinyExecutable(): Uint8Array {
  const bytes = new Uint8Array(CODE_LIMIT + 64);
  for (let i = 0x200; i < CODE_LIMIT; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  const view = new DataView(bytes.buffer);
  const words = (offset: number, ...values: number[]) =>
    values.forEach((value, i) => {
      view.setUint32(offset + i * 4, value, true);
    });
  words(0, 0xfeedfacf, 0x0100000c, 0, 2, 4, 72 + 72 + 24 + 16, 0x85, 0);
  const segment = (offset: number, name: string, vmaddr: number, vmsize: number, fileoff: number, filesize: number) => {
    words(offset, 0x19, 72);
    bytes.set(new TextEncoder().encode(name), offset + 8);
    [vmaddr, vmsize, fileoff, filesize].forEach((value, i) => {
      view.setBigUint64(offset + 24 + i * 8, BigInt(value), true);
    });
  };
  segment(32, "__TEXT", 0x100000000, 0x4000, 0, 0x4000);
  segment(TINY.linkedit, "__LINKEDIT", 0x100004000, 0x4000, 0x4000, bytes.length - 0x4000);
  words(TINY.symtab, 0x2, 24, 0x4000, 4, 0x4040, 0x100);
  words(TINY.signature, 0x1d, 16, CODE_LIMIT, 64);
  return bytes;
}

/** Compiles the program for a Mac into `folder` by Bun alone: not signed by us. */
export async function compileForMac(target: Target & `darwin-${string}`, folder: string): Promise<Uint8Array> {
  const runtimes = await fetchRuntimes();
  const outfile = join(folder, target, "launch_socket_server");
  const options = [`--target=bun-${target}`, `--compile-executable-path=${runtimes[target]}`, `--outfile=${outfile}`];
  const define = '--define=LAUNCHD_LIBRARY="/usr/lib/libSystem.B.dylib"';
  const build = Bun.spawnSync([process.execPath, "build", "--compile", define, ...options, "src/main.ts"]);
  if (build.exitCode !== 0) throw new Error(`building for ${target} failed: ${build.stderr.toString()}`);
  return Bun.file(outfile).bytes();
}
