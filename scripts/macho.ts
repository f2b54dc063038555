/**
 * Reads the header and the load commands of 64-bit Mach-O executables. Nothing here judges a file beyond whether
 * it can be read; verify-signature.ts does.
 *
 * The layout is that of Apple's published xnu header `EXTERNAL_HEADERS/mach-o/loader.h`, in the byte order of the
 * machine that the file is for, which is little-endian for both of Apple's processors.
 */

/** Magic numbers and flags from loader.h. */
const MH_MAGIC_64 = 0xfeedfacf;
const LC_REQ_DYLD = 0x80000000;
const CPU_NAMES: Readonly<Record<number, string>> = { 16777223: "x86_64", 16777228: "arm64" };

/** The load commands that this project reads, from loader.h. */
export const LoadCommandKind = {
  SYMTAB: 0x2,
  DYSYMTAB: 0xb,
  SEGMENT_64: 0x19,
  CODE_SIGNATURE: 0x1d,
  SEGMENT_SPLIT_INFO: 0x1e,
  FUNCTION_STARTS: 0x26,
  DATA_IN_CODE: 0x29,
  DYLIB_CODE_SIGN_DRS: 0x2b,
  LINKER_OPTIMIZATION_HINT: 0x2e,
  DYLD_EXPORTS_TRIE: 0x33 + LC_REQ_DYLD,
  DYLD_CHAINED_FIXUPS: 0x34 + LC_REQ_DYLD,
} as const;

/** The commands that are a `linkedit_data_command`: nothing but an offset and a size in the file. */
const LINKEDIT_DATA_KINDS: ReadonlySet<number> = new Set([
  LoadCommandKind.CODE_SIGNATURE,
  LoadCommandKind.SEGMENT_SPLIT_INFO,
  LoadCommandKind.FUNCTION_STARTS,
  LoadCommandKind.DATA_IN_CODE,
  LoadCommandKind.DYLIB_CODE_SIGN_DRS,
  LoadCommandKind.LINKER_OPTIMIZATION_HINT,
  LoadCommandKind.DYLD_EXPORTS_TRIE,
  LoadCommandKind.DYLD_CHAINED_FIXUPS,
]);

/** A file that is not what it should be; the message says what was expected. */
export class MachOError extends Error {}

/** A load command's place in the file, in bytes. */
export interface LoadCommand {
  readonly kind: number;
  readonly offset: number;
  readonly size: number;
}

/** A segment's place in memory and in the file, in bytes. */
export interface Segment {
  readonly name: string;
  /** Where its load command starts in the file. */
  readonly command: number;
  readonly vmaddr: number;
  readonly vmsize: number;
  readonly fileoff: number;
  readonly filesize: number;
}

/** A part of the file that a load command other than a segment's points at. */
export interface FileRange {
  readonly kind: number;
  readonly offset: number;
  readonly size: number;
}

export interface MachO {
  readonly cpu: string;
  readonly commands: readonly LoadCommand[];
  readonly segments: readonly Segment[];
  /** Everything that symbol tables and `linkedit_data_command`s point at, the signature included. */
  readonly ranges: readonly FileRange[];
}

/** @throws MachOError when `bytes` is not a readable 64-bit little-endian Mach-O file. */
export function readMachO(bytes: Uint8Array): MachO {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 32) throw new MachOError("the file is too short for a Mach-O header");
  if (view.getUint32(0, true) !== MH_MAGIC_64) throw new MachOError("the file is not a 64-bit Mach-O file");
  const cpu = CPU_NAMES[view.getUint32(4, true)];
  if (cpu === undefined) throw new MachOError("the processor is neither x86_64 nor arm64");
  const commandCount = view.getUint32(16, true);
  const end = 32 + view.getUint32(20, true);
  if (end > bytes.length) throw new MachOError("the load commands reach beyond the end of the file");

  const commands: LoadCommand[] = [];
  const segments: Segment[] = [];
  const ranges: FileRange[] = [];
  let offset = 32;
  for (let i = 0; i < commandCount; i++) {
    if (offset + 8 > end) throw new MachOError(`load command ${i} lies outside the load commands' space`);
    const kind = view.getUint32(offset, true);
    const size = view.getUint32(offset + 4, true);
    const smallest = smallestSize(kind);
    if (size < smallest || size % 8 !== 0 || offset + size > end)
      throw new MachOError(`load command ${i} has an impossible size of ${size} bytes`);
    commands.push({ kind, offset, size });
    if (kind === LoadCommandKind.SEGMENT_64) segments.push(readSegment(view, offset));
    else ranges.push(...readRanges(view, kind, offset));
    offset += size;
  }
  if (offset !== end) throw new MachOError("the load commands do not fill the space that the header gives them");
  return { cpu, commands, segments, ranges };
}

/** The parts of an executable that a signature describes. */
export interface SignedParts {
  readonly text: Segment;
  readonly linkedit: Segment;
  readonly signature: FileRange;
  /** Where the LC_CODE_SIGNATURE command starts in the file. */
  readonly signatureCommand: number;
}

/** @throws MachOError unless there is exactly one __TEXT, one __LINKEDIT and one LC_CODE_SIGNATURE. */
export function signedParts({ segments, ranges, commands }: MachO): SignedParts {
  const only = <T>(found: readonly T[], what: string): T => {
    const [first] = found;
    if (first === undefined || found.length !== 1)
      throw new MachOError(`the file has ${found.length} ${what} instead of one`);
    return first;
  };
  const isSignature = ({ kind }: { kind: number }) => kind === LoadCommandKind.CODE_SIGNATURE;
  return {
    text: only(
      segments.filter(({ name }) => name === "__TEXT"),
      "__TEXT segments",
    ),
    linkedit: only(
      segments.filter(({ name }) => name === "__LINKEDIT"),
      "__LINKEDIT segments",
    ),
    signature: only(ranges.filter(isSignature), "code signatures"),
    signatureCommand: only(commands.filter(isSignature), "code signatures").offset,
  };
}

function smallestSize(kind: number): number {
  if (kind === LoadCommandKind.SEGMENT_64) return 72;
  if (kind === LoadCommandKind.DYSYMTAB) return 80;
  if (kind === LoadCommandKind.SYMTAB) return 24;
  return LINKEDIT_DATA_KINDS.has(kind) ? 16 : 8;
}

function readSegment(view: DataView, command: number): Segment {
  const name = new Uint8Array(view.buffer, view.byteOffset + command + 8, 16);
  const terminator = name.indexOf(0);
  return {
    name: new TextDecoder().decode(name.subarray(0, terminator < 0 ? 16 : terminator)),
    command,
    vmaddr: readUint64(view, command + 24, true),
    vmsize: readUint64(view, command + 32, true),
    fileoff: readUint64(view, command + 40, true),
    filesize: readUint64(view, command + 48, true),
  };
}

function readRanges(view: DataView, kind: number, command: number): FileRange[] {
  const field = (at: number) => view.getUint32(command + at, true);
  if (LINKEDIT_DATA_KINDS.has(kind)) return [{ kind, offset: field(8), size: field(12) }];
  if (kind === LoadCommandKind.SYMTAB)
    return [
      { kind, offset: field(8), size: field(12) * 16 },
      { kind, offset: field(16), size: field(20) },
    ];
  // Of the dynamic symbol table's parts only the indirect symbols (four bytes each) are used today.
  if (kind === LoadCommandKind.DYSYMTAB) return [{ kind, offset: field(56), size: field(60) * 4 }];
  return [];
}

/** @throws MachOError when the number is larger than any size in a file can be. */
export function readUint64(view: DataView, offset: number, littleEndian: boolean): number {
  const value = Number(view.getBigUint64(offset, littleEndian));
  if (!Number.isSafeInteger(value)) throw new MachOError(`the number at byte ${offset} is too large`);
  return value;
}
