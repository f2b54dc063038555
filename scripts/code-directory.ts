/**
 * Reads the code signature embedded in a Mach-O executable: a SuperBlob that holds a CodeDirectory with a hash of
 * every page. Nothing here judges it beyond whether it can be read; verify-signature.ts does.
 *
 * The layout is that of Apple's published xnu header `osfmk/kern/cs_blobs.h`; all numbers are big-endian.
 */
import { MachOError, readUint64 } from "./macho.ts";

/** Magic numbers, slots and flags from cs_blobs.h. */
export const CSMAGIC_CODEDIRECTORY = 0xfade0c02;
export const CSMAGIC_EMBEDDED_SIGNATURE = 0xfade0cc0;
export const CSSLOT_CODEDIRECTORY = 0;
export const CSSLOT_SIGNATURESLOT = 0x10000;
export const CS_ADHOC = 0x2;
export const CS_SUPPORTSEXECSEG = 0x20400;
export const CS_HASHTYPE_SHA256 = 2;
export const CS_EXECSEG_MAIN_BINARY = 1;
/** The length of the fixed part of a CodeDirectory of version 0x20400. */
export const CODE_DIRECTORY_HEADER = 88;

/** One part of a signature; its offset counts from the start of the SuperBlob. */
export interface Blob {
  readonly slot: number;
  readonly offset: number;
  readonly length: number;
}

export interface SuperBlob {
  readonly length: number;
  readonly blobs: readonly Blob[];
}

export interface CodeDirectory {
  readonly length: number;
  readonly version: number;
  readonly flags: number;
  readonly hashOffset: number;
  readonly identOffset: number;
  readonly specialSlots: number;
  readonly codeLimit: number;
  readonly hashType: number;
  readonly hashSize: number;
  /** The binary logarithm of the page size in bytes. */
  readonly pageShift: number;
  /** The fields that a plain program leaves at zero: platform, spares, scatter vector, team, 64-bit code limit. */
  readonly unused: readonly number[];
  readonly executableSegment: { readonly base: number; readonly limit: number; readonly flags: number };
  readonly identifier: string;
  /** One hash for each page below the code limit. */
  readonly hashes: readonly Uint8Array[];
}

/** @throws MachOError when a blob lies outside the signature or the signature is not one. */
export function readSuperBlob(signature: Uint8Array): SuperBlob {
  const view = new DataView(signature.buffer, signature.byteOffset, signature.byteLength);
  if (signature.length < 12 || view.getUint32(0) !== CSMAGIC_EMBEDDED_SIGNATURE)
    throw new MachOError("the signature does not start with an embedded-signature SuperBlob");
  const length = view.getUint32(4);
  const count = view.getUint32(8);
  if (length > signature.length || 12 + count * 8 > length)
    throw new MachOError("the SuperBlob is longer than the space that the load command gives it");
  const blobs: Blob[] = [];
  for (let i = 0; i < count; i++) {
    const slot = view.getUint32(12 + i * 8);
    const offset = view.getUint32(16 + i * 8);
    if (offset < 12 + count * 8 || offset + 8 > length)
      throw new MachOError(`the blob in slot 0x${slot.toString(16)} lies outside the SuperBlob`);
    const blobLength = view.getUint32(offset + 4);
    if (blobLength < 8 || offset + blobLength > length)
      throw new MachOError(`the blob in slot 0x${slot.toString(16)} is longer than the SuperBlob`);
    blobs.push({ slot, offset, length: blobLength });
  }
  return { length, blobs };
}

/**
 * Reads a CodeDirectory of version 0x20400 or newer, which is what every linker of the last years writes.
 *
 * @throws MachOError when `blob` (exactly the blob's bytes) is something else or points outside itself.
 */
export function readCodeDirectory(blob: Uint8Array): CodeDirectory {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  if (blob.length < CODE_DIRECTORY_HEADER || view.getUint32(0) !== CSMAGIC_CODEDIRECTORY)
    throw new MachOError("the CodeDirectory does not start with its magic number");
  const version = view.getUint32(8);
  if (version < CS_SUPPORTSEXECSEG)
    throw new MachOError(`the CodeDirectory's version 0x${version.toString(16)} is too old`);
  const hashOffset = view.getUint32(16);
  const identOffset = view.getUint32(20);
  const codeSlots = view.getUint32(28);
  const hashSize = view.getUint8(36);
  if (hashOffset + codeSlots * hashSize > blob.length)
    throw new MachOError("the CodeDirectory's hashes lie outside it");
  const terminator = blob.indexOf(0, identOffset);
  if (terminator < 0) throw new MachOError("the CodeDirectory's identifier has no end");
  return {
    length: view.getUint32(4),
    version,
    flags: view.getUint32(12),
    hashOffset,
    identOffset,
    specialSlots: view.getUint32(24),
    codeLimit: view.getUint32(32),
    hashType: view.getUint8(37),
    hashSize,
    pageShift: view.getUint8(39),
    unused: [view.getUint8(38), ...[40, 44, 48, 52, 56, 60].map((field) => view.getUint32(field))],
    executableSegment: {
      base: readUint64(view, 64, false),
      limit: readUint64(view, 72, false),
      flags: readUint64(view, 80, false),
    },
    identifier: new TextDecoder().decode(blob.subarray(identOffset, terminator)),
    hashes: Array.from({ length: codeSlots }, (_, i) => blob.subarray(hashOffset + i * hashSize).subarray(0, hashSize)),
  };
}
