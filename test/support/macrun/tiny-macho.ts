/**
 * A Mach-O program of three pages for x86-64, whose main() is `code` (<mach-o/loader.h>, <mach-o/fixup-chains.h>). The
 * first word of its second page is bound to the import.
 */
export function tinyMachO({ code, importName }: { code: number[]; importName: string }): Uint8Array {
  const [page, base, codeOffset] = [0x1000, 0x1_0000_0000, 0x800];
  const bytes = new Uint8Array(3 * page);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const u32 = (...values: number[]) => {
    for (const value of values) {
      view.setUint32(at, value, true);
      at += 4;
    }
  };
  const u64 = (...values: number[]) => {
    for (const value of values) {
      view.setBigUint64(at, BigInt(value), true);
      at += 8;
    }
  };
  const text = (value: string, size = value.length) => {
    bytes.set(new TextEncoder().encode(value), at);
    at += size;
  };
  const commands = [
    ...["__TEXT", "__DATA", "__LINKEDIT"].map((name, index) => () => {
      u32(0x19, 72); // LC_SEGMENT_64
      text(name, 16);
      u64(base + index * page, page, index * page, page);
      u32(7, name === "__TEXT" ? 5 : 3, 0, 0);
    }),
    () => u32(0x80000034, 16, 2 * page, page), // LC_DYLD_CHAINED_FIXUPS
    () => {
      u32(0x80000028, 24); // LC_MAIN
      u64(codeOffset, 0);
    },
  ];
  u32(0xfeedfacf, 0x01000007, 3, 2, commands.length, 3 * 72 + 16 + 24, 0, 0);
  for (const command of commands) command();
  bytes.set(code, codeOffset);

  const [starts, imports, symbols] = [32, 96, 100];
  view.setBigUint64(page, 1n << 63n, true); // bind, import 0, no next
  at = 2 * page;
  u32(0, starts, imports, symbols, 1, 1, 0);
  at = 2 * page + starts;
  u32(3, 0, 16, 0); // of three segments the second has pointers, described 16 bytes on
  u32(24, page | (6 << 16)); // DYLD_CHAINED_PTR_64_OFFSET
  u64(page);
  u32(0, 1); // one page, the first pointer at its start
  at = 2 * page + imports;
  u32(1 << 9); // the name begins at 1
  at = 2 * page + symbols + 1;
  text(`${importName}\0`);
  return bytes;
}

/** call *(second page); then return 7: what main() of a program that calls its import is. */
export const callImport = [0xff, 0x15, 0xfa, 0x07, 0, 0, 0xb8, 7, 0, 0, 0, 0xc3];
