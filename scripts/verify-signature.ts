/**
 * Checks, on any system, that a Mach-O executable carries the ad-hoc signature that sign.ts promises and that a
 * Mac will run it.
 *
 *   bun scripts/verify-signature.ts FILE...
 *
 * The rules are the kernel's (`cs_validate_codedirectory` in xnu's `bsd/kern/ubc_subr.c`: what it finds wrong, it
 * kills), those of `codesign --verify --strict` (`MachO::validateStructure` in Apple's Security project:
 * __LINKEDIT ends where the file ends), and our own, which are stricter: one CodeDirectory and nothing beside it.
 */
import {
  CODE_DIRECTORY_HEADER,
  type CodeDirectory,
  CS_ADHOC,
  CS_EXECSEG_MAIN_BINARY,
  CS_HASHTYPE_SHA256,
  CSSLOT_CODEDIRECTORY,
  CSSLOT_SIGNATURESLOT,
  readCodeDirectory,
  readSuperBlob,
} from "./code-directory.ts";
import { type MachO, MachOError, readMachO, type Segment, type SignedParts, signedParts } from "./macho.ts";

const PAGE_SHIFT = 12;
const PAGE_SIZE = 2 ** PAGE_SHIFT;

/** Returns a sentence for each thing that is wrong; none for a program that a Mac will run. */
export function findProblems(bytes: Uint8Array, identifier: string): string[] {
  try {
    const macho = readMachO(bytes);
    const parts = signedParts(macho);
    return [...layoutProblems(bytes.length, macho, parts), ...signatureProblems(bytes, parts, identifier)];
  } catch (error) {
    if (error instanceof MachOError) return [error.message];
    throw error;
  }
}

/** Whether everything that the load commands name lies where it should, and the signature is the end of it all. */
function layoutProblems(
  fileLength: number,
  { segments, ranges }: MachO,
  { linkedit, signature }: SignedParts,
): string[] {
  const problems: string[] = [];
  const inFile = segments.filter(({ filesize }) => filesize > 0).sort((a, b) => a.fileoff - b.fileoff);
  inFile.forEach((segment, i) => {
    if (segment.vmsize < segment.filesize)
      problems.push(`segment ${segment.name} is smaller in memory than in the file`);
    const next: Segment | undefined = inFile[i + 1];
    if (next === undefined) return;
    if (fileEnd(segment) > next.fileoff) problems.push(`segments ${segment.name} and ${next.name} overlap in the file`);
    if (segment.vmaddr + segment.vmsize > next.vmaddr)
      problems.push(`segments ${segment.name} and ${next.name} overlap in memory`);
  });
  if (inFile.at(-1) !== linkedit) problems.push("__LINKEDIT is not the last segment of the file");
  if (fileEnd(linkedit) !== fileLength)
    problems.push(`__LINKEDIT ends at byte ${fileEnd(linkedit)} but the file at byte ${fileLength}`);
  const signatureEnd = signature.offset + signature.size;
  if (signatureEnd !== fileLength)
    problems.push(`the signature ends at byte ${signatureEnd} but the file at byte ${fileLength}`);
  if (signature.offset % 16 !== 0) problems.push("the signature does not start at a multiple of 16 bytes");
  for (const range of ranges) {
    if (range === signature || range.size === 0) continue;
    if (range.offset < linkedit.fileoff || range.offset + range.size > signature.offset)
      problems.push(`what load command 0x${range.kind.toString(16)} points at lies outside __LINKEDIT`);
  }
  return problems;
}

function signatureProblems(bytes: Uint8Array, { text, signature }: SignedParts, identifier: string): string[] {
  const content = bytes.subarray(signature.offset, signature.offset + signature.size);
  const { length, blobs } = readSuperBlob(content);
  const problems: string[] = [];
  if (length !== signature.size) problems.push(`${signature.size - length} bytes follow the SuperBlob`);
  for (const { slot } of blobs.slice(blobs[0]?.slot === CSSLOT_CODEDIRECTORY ? 1 : 0)) {
    const what = slot === CSSLOT_SIGNATURESLOT ? "a CMS blob" : "a blob";
    problems.push(`there is ${what} in slot 0x${slot.toString(16)}, where an ad-hoc signature has none`);
  }
  const blob = blobs.find(({ slot }) => slot === CSSLOT_CODEDIRECTORY);
  if (blob === undefined) return [...problems, "there is no CodeDirectory"];
  if (blobs.length === 1 && (blob.offset !== 20 || blob.offset + blob.length !== length))
    problems.push("the CodeDirectory does not fill the SuperBlob");

  const directoryBytes = content.subarray(blob.offset, blob.offset + blob.length);
  const directory = readCodeDirectory(directoryBytes);
  const expect = (what: string, found: number | string, expected: number | string) => {
    if (found !== expected) problems.push(`the CodeDirectory's ${what} is ${found} instead of ${expected}`);
  };
  const hex = (value: number) => `0x${value.toString(16)}`;
  expect("version", hex(directory.version), "0x20400");
  expect("flags", hex(directory.flags), hex(CS_ADHOC));
  expect("identifier", JSON.stringify(directory.identifier), JSON.stringify(identifier));
  expect("identifier's place", directory.identOffset, CODE_DIRECTORY_HEADER);
  expect("code limit", directory.codeLimit, signature.offset);
  expect("number of special slots", directory.specialSlots, 0);
  expect("hash type", directory.hashType, CS_HASHTYPE_SHA256);
  expect("hash size", directory.hashSize, 32);
  expect("page shift", directory.pageShift, PAGE_SHIFT);
  expect("number of pages", directory.hashes.length, Math.ceil(signature.offset / PAGE_SIZE));
  expect("executable segment's start", directory.executableSegment.base, text.fileoff);
  expect("executable segment's length", directory.executableSegment.limit, text.filesize);
  expect("executable segment's flags", directory.executableSegment.flags, CS_EXECSEG_MAIN_BINARY);
  if (directory.unused.some((field) => field !== 0))
    problems.push("a field is set that an ad-hoc signature leaves empty");
  const hashEnd = directory.hashOffset + directory.hashes.length * directory.hashSize;
  expect("length beyond its hashes", blob.length - hashEnd, 0);
  const padding = directoryBytes.subarray(directory.identOffset + identifier.length, directory.hashOffset);
  if (padding.some((byte) => byte !== 0)) problems.push("the CodeDirectory's padding is not empty");
  return [...problems, ...pageProblems(bytes, directory)];
}

/** Recomputes the hash of every page that has one, up to the code limit. */
function pageProblems(bytes: Uint8Array, { hashes, codeLimit }: CodeDirectory): string[] {
  const wrong: number[] = [];
  hashes.forEach((expected, page) => {
    const content = bytes.subarray(page * PAGE_SIZE, Math.min((page + 1) * PAGE_SIZE, codeLimit));
    if (!Bun.CryptoHasher.hash("sha256", content).equals(expected)) wrong.push(page);
  });
  const [first] = wrong;
  if (first === undefined) return [];
  return [
    `${wrong.length} of ${hashes.length} pages do not match their hashes, the first at byte ${first * PAGE_SIZE}`,
  ];
}

function fileEnd({ fileoff, filesize }: Segment): number {
  return fileoff + filesize;
}

if (import.meta.main) {
  const paths = process.argv.slice(2);
  if (paths.length === 0) {
    console.error("usage: bun scripts/verify-signature.ts FILE...");
    process.exit(1);
  }
  for (const path of paths) {
    const file = Bun.file(path);
    const problems = (await file.exists())
      ? findProblems(await file.bytes(), "launch_socket_server")
      : ["there is no such file"];
    for (const problem of problems) console.error(`launch_socket_server: bad signature in ${path}: ${problem}`);
    if (problems.length > 0) process.exitCode = 1;
    else console.log(`${path}: the signature is valid`);
  }
}
