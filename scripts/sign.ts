/**
 * Gives a Mach-O executable an ad-hoc signature of our own, on any system.
 *
 *   bun scripts/sign.ts FILE [IDENTIFIER]
 *
 * Bun compiles darwin-x64 programs without renewing the runtime's signature, and a Mac kills what does not match
 * its signature. The signature written here is the one that linkers write (one CodeDirectory of SHA-256 page
 * hashes, no certificate) and depends on nothing but the program's bytes and the identifier.
 */
import { chmod, rename, rm, stat, writeFile } from "node:fs/promises";
import {
  CODE_DIRECTORY_HEADER,
  CS_ADHOC,
  CS_EXECSEG_MAIN_BINARY,
  CS_HASHTYPE_SHA256,
  CS_SUPPORTSEXECSEG,
  CSMAGIC_CODEDIRECTORY,
  CSMAGIC_EMBEDDED_SIGNATURE,
  CSSLOT_CODEDIRECTORY,
} from "./code-directory.ts";
import { MachOError, readMachO, signedParts } from "./macho.ts";

const PAGE_SHIFT = 12;
const PAGE_SIZE = 2 ** PAGE_SHIFT;
const HASH_SIZE = 32;
/** The SuperBlob's header and its one index entry. */
const SUPER_BLOB_HEADER = 20;
/** The larger page size of the two processors: segments start and end on its multiples in memory. */
const VM_PAGE_SIZE = 0x4000;

/**
 * Returns a copy of the executable with its signature replaced by an ad-hoc one; the file ends where it ends.
 * `bytes` is left alone.
 *
 * @throws MachOError when no room was made for a signature (an LC_CODE_SIGNATURE command and the end of the
 * file to put it at; every linker for macOS makes it).
 */
export function sign(bytes: Uint8Array, identifier: string): Uint8Array<ArrayBuffer> {
  const { text, linkedit, signature, signatureCommand } = signedParts(readMachO(bytes));
  const codeLimit = signature.offset;
  if (signature.offset + signature.size !== bytes.length || linkedit.fileoff + linkedit.filesize !== bytes.length)
    throw new MachOError("the old signature is not the end of the file");
  if (codeLimit % 16 !== 0) throw new MachOError("the old signature does not start at a multiple of 16 bytes");

  const pageCount = Math.ceil(codeLimit / PAGE_SIZE);
  const name = new TextEncoder().encode(identifier);
  // Padded so that the hashes, and with them the end of the file, fall on a multiple of 16 bytes.
  const hashOffset = roundUp(SUPER_BLOB_HEADER + CODE_DIRECTORY_HEADER + name.length + 1, 16) - SUPER_BLOB_HEADER;
  const directoryLength = hashOffset + pageCount * HASH_SIZE;
  const signatureLength = SUPER_BLOB_HEADER + directoryLength;

  const signed = new Uint8Array(codeLimit + signatureLength);
  signed.set(bytes.subarray(0, codeLimit));
  const file = new DataView(signed.buffer);
  file.setUint32(signatureCommand + 12, signatureLength, true);
  const linkeditSize = signed.length - linkedit.fileoff;
  file.setBigUint64(linkedit.command + 32, BigInt(roundUp(linkeditSize, VM_PAGE_SIZE)), true);
  file.setBigUint64(linkedit.command + 48, BigInt(linkeditSize), true);

  const superBlob = new DataView(signed.buffer, codeLimit);
  [CSMAGIC_EMBEDDED_SIGNATURE, signatureLength, 1, CSSLOT_CODEDIRECTORY, SUPER_BLOB_HEADER].forEach((field, i) => {
    superBlob.setUint32(i * 4, field);
  });

  // The fields of CS_CodeDirectory in cs_blobs.h, in order; those left out stay zero.
  const directoryStart = codeLimit + SUPER_BLOB_HEADER;
  const directory = new DataView(signed.buffer, directoryStart);
  directory.setUint32(0, CSMAGIC_CODEDIRECTORY);
  directory.setUint32(4, directoryLength);
  directory.setUint32(8, CS_SUPPORTSEXECSEG);
  directory.setUint32(12, CS_ADHOC);
  directory.setUint32(16, hashOffset);
  directory.setUint32(20, CODE_DIRECTORY_HEADER);
  directory.setUint32(28, pageCount);
  directory.setUint32(32, codeLimit);
  directory.setUint8(36, HASH_SIZE);
  directory.setUint8(37, CS_HASHTYPE_SHA256);
  directory.setUint8(39, PAGE_SHIFT);
  directory.setBigUint64(64, BigInt(text.fileoff));
  directory.setBigUint64(72, BigInt(text.filesize));
  directory.setBigUint64(80, BigInt(CS_EXECSEG_MAIN_BINARY));
  signed.set(name, directoryStart + CODE_DIRECTORY_HEADER);

  // Last, because the first page holds the load commands that were changed above.
  for (let page = 0; page < pageCount; page++) {
    const content = signed.subarray(page * PAGE_SIZE, Math.min((page + 1) * PAGE_SIZE, codeLimit));
    const hash = Bun.CryptoHasher.hash("sha256", content);
    signed.set(hash, directoryStart + hashOffset + page * HASH_SIZE);
  }
  return signed;
}

/** Signs a file by putting a new one in its place, with the same permissions. */
export async function signFile(path: string, identifier: string): Promise<void> {
  const { mode } = await stat(path);
  const signed = sign(await Bun.file(path).bytes(), identifier);
  const fresh = `${path}.signed`;
  try {
    await writeFile(fresh, signed);
    await chmod(fresh, mode & 0o777);
    await rename(fresh, path);
  } finally {
    await rm(fresh, { force: true });
  }
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

if (import.meta.main) {
  const [path, identifier = "launch_socket_server"] = process.argv.slice(2);
  if (path === undefined) {
    console.error("usage: bun scripts/sign.ts FILE [IDENTIFIER]");
    process.exit(1);
  }
  try {
    await signFile(path, identifier);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(`launch_socket_server: cannot sign ${path}: ${error.message}`);
    process.exit(1);
  }
}
